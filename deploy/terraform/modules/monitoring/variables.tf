variable "name" {
  description = "Name of the fleet; an alarm is called `<name>-<what is wrong>`."
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

variable "function_name" {
  description = "Name of the Lambda function."
  type        = string
}

variable "reserved_concurrency" {
  description = "The function's reserved concurrency: above 90 % of it there is an alarm."
  type        = number

  validation {
    condition     = var.reserved_concurrency >= 1
    error_message = "reserved_concurrency: expected 1 or more."
  }
}

variable "failed_queue" {
  description = "Name of the queue with failed asynchronous invocations."
  type        = string
}

variable "memory_mb" {
  description = "The function's memory, for the daily cost."
  type        = number
}

variable "prices" {
  description = "USD per GB-second and per invocation, for the daily cost. The default is arm64's list price of November 2026."
  type        = object({ gb_second = number, request = number })
  default     = { gb_second = 0.0000133334, request = 0.0000002 }

  validation {
    condition     = var.prices.gb_second > 0 && var.prices.gb_second < 1 && var.prices.request >= 0 && var.prices.request < 1
    error_message = "prices: expected USD per GB-second and per single request."
  }
}

variable "metrics" {
  description = "Where the metrics that workers and bridges serve arrive in CloudWatch: the namespace, and the dimensions that all of them have. An OpenTelemetry collector brings them there, see above. While nothing does, the alarm on the backlog says so. What the function writes itself needs no agent."
  type        = object({ namespace = string, dimensions = map(string) })
  default     = { namespace = "SageFleet", dimensions = { fleet = "sage" } }
}

variable "backlog_age_seconds" {
  description = "How old the oldest waiting execution may get before there is an alarm."
  type        = number
  default     = 600

  validation {
    condition     = var.backlog_age_seconds >= 1
    error_message = "backlog_age_seconds: expected 1 or more."
  }
}

variable "monthly_budget_usd" {
  description = "What Lambda may cost in a month, by AWS's own bill, hours late; 0 watches none. The fleet's own budget is the bridge's to keep."
  type        = number
  default     = 0

  validation {
    condition     = var.monthly_budget_usd >= 0
    error_message = "monthly_budget_usd: expected 0 or more."
  }
}

variable "log_days" {
  description = "Days that the log of metrics is kept, whose numbers CloudWatch keeps longer; one that CloudWatch takes."
  type        = number
  default     = 7

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_days)
    error_message = "log_days: expected a retention that CloudWatch knows, such as 7 or 30."
  }
}

variable "emails" {
  description = "Who is told of alarms. Each address gets a message to confirm first."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@ ]+@[^@ ]+[.][^@ ]+$", email))])
    error_message = "emails: expected addresses such as operaciones@example.org."
  }
}

variable "key_arn" {
  description = "ARN of the KMS key of the topic; its policy must let `cloudwatch` and `budgets` use it."
  type        = string
}
