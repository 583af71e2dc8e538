variable "name" {
  description = "Name of the fleet, and of its trail."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "name: expected 2 to 20 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "account_id" {
  description = "AWS account, 12 digits."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id: expected 12 digits."
  }
}

variable "bucket" {
  description = "Name of the bucket that the trail is written to."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket: expected 3 to 63 lower-case letters, digits and hyphens."
  }
}

variable "data_bucket_arn" {
  description = "Bucket whose every read and write is recorded."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:s3:::[a-z0-9.-]+$", var.data_bucket_arn))
    error_message = "data_bucket_arn: expected the ARN of a bucket."
  }
}

variable "access_log_bucket" {
  description = "Bucket that access to the trail's own bucket is logged to."
  type        = string
}

variable "key_arn" {
  description = "ARN of the KMS key of the trail."
  type        = string
}

variable "days" {
  description = "Days that the trail is kept."
  type        = number
  default     = 2555

  validation {
    condition     = var.days >= 90
    error_message = "days: expected 90 or more."
  }
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete the trail's files."
  type        = bool
  default     = false
}
