variable "name" {
  description = "Name of the fleet; the function, its role and its log are called `<name>-function`."
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

variable "package" {
  description = "Path of the zip with `bootstrap` in it, as `task lambda:package` builds it."
  type        = string

  validation {
    condition     = fileexists(var.package)
    error_message = "package: there is no such file; build it with task lambda:package."
  }
}

variable "architecture" {
  description = "What the package was built for: `arm64` (a fifth cheaper) or `x86_64`."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture: expected arm64 or x86_64."
  }
}

variable "storage_url" {
  description = "`STORAGE_URL` of the fleet."
  type        = string

  validation {
    condition     = startswith(var.storage_url, "s3://")
    error_message = "storage_url: expected s3://bucket?region=…"
  }
}

variable "storage_policy" {
  description = "What the function may do with objects: the storage module's policy of the worker."
  type        = string
}

variable "environment" {
  description = "More settings of the function, by variable; README's configuration reference lists them. Secrets don't belong here."
  type        = map(string)
  default     = {}

  validation {
    condition     = !contains(keys(var.environment), "STORAGE_URL")
    error_message = "environment: STORAGE_URL is set by storage_url."
  }

  validation {
    condition     = !contains(keys(var.environment), "NATS_PASSWORD")
    error_message = "environment: a password would stand in Terraform's state and in the console; use NATS_CREDS."
  }
}

variable "memory_mb" {
  description = "Memory, and with it processor time: 1,769 MB are one core."
  type        = number
  default     = 1769

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240 && floor(var.memory_mb) == var.memory_mb
    error_message = "memory_mb: expected 128 to 10240."
  }
}

variable "scratch_mb" {
  description = "Room for the files of one execution."
  type        = number
  default     = 2048

  validation {
    condition     = var.scratch_mb >= 512 && var.scratch_mb <= 10240
    error_message = "scratch_mb: expected 512 to 10240."
  }
}

variable "timeout_seconds" {
  description = "How long one invocation may take. The bridge must know it: `LAMBDA_TIMEOUT`."
  type        = number
  default     = 900

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 900
    error_message = "timeout_seconds: expected 1 to 900."
  }
}

variable "reserved_concurrency" {
  description = "How many invocations may run at once: the function takes no more of the account's share, and nobody else takes its own."
  type        = number
  default     = 100

  validation {
    condition     = var.reserved_concurrency >= 1
    error_message = "reserved_concurrency: expected 1 or more; with 0 the function can't be invoked, and without any it can starve the account."
  }
}

variable "provisioned_concurrency" {
  description = "Environments that are kept started and billed all the time; 0 is none."
  type        = number
  default     = 0

  validation {
    condition     = var.provisioned_concurrency >= 0 && var.provisioned_concurrency <= var.reserved_concurrency
    error_message = "provisioned_concurrency: expected 0 to reserved_concurrency."
  }
}

variable "event_age_seconds" {
  description = "How long an asynchronous invocation may wait for its turn before it goes to the failure queue."
  type        = number
  default     = 3600

  validation {
    condition     = var.event_age_seconds >= 60 && var.event_age_seconds <= 21600
    error_message = "event_age_seconds: expected 60 to 21600."
  }
}

variable "vpc" {
  description = "Subnets and security group of the function; null leaves it outside of any VPC, where it starts as fast and reaches S3 as well, but no NATS and no database."
  type        = object({ subnet_ids = list(string), security_group_id = string })
  default     = null
}

variable "key_arn" {
  description = "ARN of the KMS key of the function's log, settings and failure queue."
  type        = string
}

variable "log_days" {
  description = "Days that the function's log is kept; one of the numbers CloudWatch takes."
  type        = number
  default     = 90

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_days)
    error_message = "log_days: expected a retention that CloudWatch knows, such as 30, 90 or 365."
  }
}
