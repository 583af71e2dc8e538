variable "account_id" {
  description = "AWS account, 12 digits; any other is refused."
  type        = string
}

variable "region" {
  description = "AWS region."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region: expected one such as eu-central-1."
  }
}

variable "name" {
  description = "Name of the fleet. Buckets are named for it and for the account, which makes them unique."
  type        = string
  default     = "sage"
}

variable "package" {
  description = "Path of the function's zip, as `task lambda:package` builds it."
  type        = string
  default     = "../../../../bin/lambda-arm64.zip"
}

variable "reserved_concurrency" {
  description = "How many invocations may run at once. AWS leaves 100 of the account's quota unreserved: a new account may have to ask for more first."
  type        = number
  default     = 100
}

variable "emails" {
  description = "Who is told of alarms."
  type        = set(string)
  default     = []
}
