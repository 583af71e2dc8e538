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

variable "availability_zones" {
  description = "Zones of the network, two or more."
  type        = list(string)
}

variable "kubernetes" {
  description = "Cluster of the fleet: the ARN of its OpenID Connect provider, the namespace, and by component the service accounts that take its role; deploy/k8s has those of the default."
  type = object({
    oidc_provider_arn = string
    namespace         = optional(string, "sage")
    service_accounts = optional(map(list(string)), {
      worker    = ["sage-worker"]
      bridge    = ["sage-worker"] # a sidecar
      intake    = ["sage-serve"]
      notify    = ["sage-notify"]
      gc        = ["sage-gc"]
      eraser    = ["sage-eraser"]
      collector = ["sage-collector"]
    })
  })
}

variable "mail_port" {
  description = "Port at which SES takes e-mail of `sage notify`, through an endpoint; null where none is sent, or where the zones have no such endpoint."
  type        = number
  default     = 587
}

variable "rotation" {
  description = "By secret, the function that makes a new value, and every how many days: the secrets module's."
  type        = map(object({ function_arn = string, days = number }))
  default     = {}
}

variable "provisioned_concurrency" {
  description = "Environments of the function that are kept started; 0 is none."
  type        = number
  default     = 0
}

variable "database_instances" {
  description = "Instances of the ledger's database."
  type        = number
  default     = 2
}

variable "deletion_protection" {
  description = "Whether the database refuses to be destroyed."
  type        = bool
  default     = true
}

variable "audit" {
  description = "Whether to record access to objects with a trail of the fleet's own; false where the organisation's trail does."
  type        = bool
  default     = true
}

variable "monthly_budget_usd" {
  description = "What Lambda may cost in a month by AWS's bill; 0 watches none."
  type        = number
  default     = 100
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete what the buckets hold."
  type        = bool
  default     = false
}
