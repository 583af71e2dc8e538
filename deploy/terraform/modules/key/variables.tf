variable "name" {
  description = "Name of the fleet; the key's alias is `alias/<name>-<purpose>`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "name: expected 2 to 20 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "purpose" {
  description = "What the key encrypts, in one word."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2,20}$", var.purpose))
    error_message = "purpose: expected one word of lower-case letters."
  }
}

variable "account_id" {
  description = "AWS account that owns the key, 12 digits."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id: expected 12 digits."
  }
}

variable "services" {
  description = "AWS services that encrypt with the key by themselves: `logs` for this fleet's log groups, `cloudtrail` for its trail, `cloudwatch` and `budgets` for what they publish to an encrypted topic."
  type        = set(string)
  default     = []

  validation {
    condition     = length(setsubtract(var.services, ["logs", "cloudtrail", "cloudwatch", "budgets"])) == 0
    error_message = "services: expected any of logs, cloudtrail, cloudwatch and budgets."
  }
}

variable "deletion_window_days" {
  description = "Days between the destruction of the key and its end; until then it can be brought back."
  type        = number
  default     = 30

  validation {
    condition     = var.deletion_window_days >= 7 && var.deletion_window_days <= 30
    error_message = "deletion_window_days: expected 7 to 30."
  }
}
