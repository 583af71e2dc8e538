variable "bucket" {
  description = "Name of the bucket. Its access logs go to another one, `<bucket>-logs`."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,56}[a-z0-9]$", var.bucket))
    error_message = "bucket: expected 3 to 58 lower-case letters, digits and hyphens."
  }
}

variable "account_id" {
  description = "AWS account that owns the bucket, 12 digits."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id: expected 12 digits."
  }
}

variable "key_arn" {
  description = "ARN of the KMS key that every object is encrypted under."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.key_arn))
    error_message = "key_arn: expected the ARN of a KMS key (arn:aws:kms:REGION:ACCOUNT:key/ID), not of an alias."
  }
}

variable "eraser_role_arns" {
  description = "Roles that may replace an outcome, as `sage erase` does. Nobody else can, not even an administrator."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.eraser_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*]+$", arn))])
    error_message = "eraser_role_arns: expected ARNs of roles, without wildcards."
  }
}

variable "inputs_days" {
  description = "Days after which inputs expire, counted from their upload, whether or not `sage admin gc` has run. Keep it above `RETAIN_INPUTS` and above the longest time that work may wait."
  type        = number
  default     = 30

  validation {
    condition     = var.inputs_days >= 1 && floor(var.inputs_days) == var.inputs_days
    error_message = "inputs_days: expected a whole number of days, 1 or more."
  }
}

variable "attempts_days" {
  description = "Days after which results too large for their outcome expire, and what losing attempts left. Keep it above `RETAIN_ATTEMPTS`."
  type        = number
  default     = 30

  validation {
    condition     = var.attempts_days >= 1 && floor(var.attempts_days) == var.attempts_days
    error_message = "attempts_days: expected a whole number of days, 1 or more."
  }
}

variable "cache_days" {
  description = "Days after which cached findings expire."
  type        = number
  default     = 30

  validation {
    condition     = var.cache_days >= 1 && floor(var.cache_days) == var.cache_days
    error_message = "cache_days: expected a whole number of days, 1 or more."
  }
}

variable "old_versions_days" {
  description = "Days that replaced and deleted objects can be brought back. What was erased of a customer is really gone after these."
  type        = number
  default     = 30

  validation {
    condition     = var.old_versions_days >= 1 && floor(var.old_versions_days) == var.old_versions_days
    error_message = "old_versions_days: expected a whole number of days, 1 or more."
  }
}

variable "access_log_days" {
  description = "Days that the access log is kept."
  type        = number
  default     = 365

  validation {
    condition     = var.access_log_days >= 1 && floor(var.access_log_days) == var.access_log_days
    error_message = "access_log_days: expected a whole number of days, 1 or more."
  }
}

variable "log_sources" {
  description = "More buckets whose access log is delivered to `<bucket>-logs`, such as the trail's."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.log_sources : can(regex("^arn:[a-z-]+:s3:::[a-z0-9.-]+$", arn))])
    error_message = "log_sources: expected ARNs of buckets, without wildcards."
  }
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may empty the buckets. Outcomes can't be deleted even so while the bucket's policy stands."
  type        = bool
  default     = false
}
