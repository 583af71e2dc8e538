variable "name" {
  description = "Name of the fleet; the cluster is called `<name>-ledger`."
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

variable "subnet_ids" {
  description = "Subnets of the cluster, in two zones or more."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids: expected subnets in two zones or more."
  }
}

variable "security_group_id" {
  description = "Security group of the cluster."
  type        = string
}

variable "key_arn" {
  description = "ARN of the KMS key of data, backups, master password and logs."
  type        = string
}

variable "engine_version" {
  description = "Version of Aurora PostgreSQL. Minor versions are installed in the maintenance window."
  type        = string
  default     = "16.6"

  validation {
    condition     = can(regex("^1[4-9]\\.[0-9]+$", var.engine_version))
    error_message = "engine_version: expected a version of PostgreSQL such as 16.6."
  }
}

variable "instances" {
  description = "Instances of the cluster; with two or more it survives the loss of a zone. 0 keeps the data without any, as a stand-by region does."
  type        = number
  default     = 2

  validation {
    condition     = var.instances >= 0 && var.instances <= 15 && floor(var.instances) == var.instances
    error_message = "instances: expected 0 to 15."
  }
}

variable "capacity" {
  description = "Smallest and largest capacity of an instance, in Aurora capacity units (about 2 GiB of memory each)."
  type        = object({ min = number, max = number })
  default     = { min = 0.5, max = 4 }

  validation {
    condition     = var.capacity.min >= 0.5 && var.capacity.max >= var.capacity.min && var.capacity.max <= 256
    error_message = "capacity: expected 0.5 <= min <= max <= 256."
  }
}

variable "backup_days" {
  description = "Days that any moment can be restored of."
  type        = number
  default     = 14

  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "backup_days: expected 1 to 35."
  }
}

variable "deletion_protection" {
  description = "Whether the cluster refuses to be destroyed. Without it, destroying takes a last snapshot, too."
  type        = bool
  default     = true
}

variable "log_days" {
  description = "Days that the server's log is kept; one of the numbers CloudWatch takes."
  type        = number
  default     = 90

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_days)
    error_message = "log_days: expected a retention that CloudWatch knows, such as 30, 90 or 365."
  }
}
