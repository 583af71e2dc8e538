variable "name" {
  description = "Name of the fleet; a secret is called `<name>/<its name>`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "name: expected 2 to 20 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "secrets" {
  description = "Names of the secrets, each with what it is for. Values are put in by people or by rotation, never by Terraform: they would be in its state."
  type        = map(string)

  validation {
    condition     = length(var.secrets) > 0 && alltrue([for name, what in var.secrets : can(regex("^[a-z][a-z0-9-]*$", name)) && what != ""])
    error_message = "secrets: expected names of lower-case letters, digits and hyphens, each with a description."
  }
}

variable "key_arn" {
  description = "ARN of the KMS key of the secrets."
  type        = string
}

variable "rotation" {
  description = "By secret, the function that makes a new value, and every how many days."
  type        = map(object({ function_arn = string, days = number }))
  default     = {}

  validation {
    condition     = alltrue([for r in values(var.rotation) : r.days >= 1 && r.days <= 1000 && can(regex("^arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]+$", r.function_arn))])
    error_message = "rotation: expected the ARN of a function, and 1 to 1000 days."
  }

  validation {
    condition     = length(setsubtract(keys(var.rotation), keys(var.secrets))) == 0
    error_message = "rotation: expected names of var.secrets."
  }
}

variable "recovery_days" {
  description = "Days in which a deleted secret can be brought back."
  type        = number
  default     = 30

  validation {
    condition     = var.recovery_days >= 7 && var.recovery_days <= 30
    error_message = "recovery_days: expected 7 to 30."
  }
}
