variable "name" {
  description = "Name of the fleet; a role is called `<name>-<component>`."
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

variable "storage_policies" {
  description = "What each component may do with objects: the storage module's `policies`."
  type        = map(string)

  validation {
    condition     = toset(keys(var.storage_policies)) == toset(["worker", "bridge", "intake", "notify", "gc", "eraser"])
    error_message = "storage_policies: expected one for worker, bridge, intake, notify, gc and eraser."
  }
}

variable "function_alias_arn" {
  description = "What the bridge may invoke: the function's alias, and no other version."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]+:[A-Za-z0-9_-]+$", var.function_alias_arn))
    error_message = "function_alias_arn: expected the ARN of an alias, ending in :ALIAS."
  }
}

variable "secret_arns" {
  description = "By component, the secrets that it may read."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.secret_arns), ["worker", "bridge", "intake", "notify", "gc", "eraser"])) == 0
    error_message = "secret_arns: expected components: worker, bridge, intake, notify, gc, eraser."
  }
}

variable "secrets_key_arn" {
  description = "ARN of the KMS key of those secrets; null when there are none."
  type        = string
  default     = null

  validation {
    condition     = var.secrets_key_arn != null || length(var.secret_arns) == 0
    error_message = "secrets_key_arn: expected the key of the secrets in secret_arns."
  }
}

variable "database_user_arns" {
  description = "By component, the database users that it may log in as."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.database_user_arns), ["worker", "bridge", "intake", "notify", "gc", "eraser"])) == 0
    error_message = "database_user_arns: expected components: worker, bridge, intake, notify, gc, eraser."
  }
}

variable "metrics_log_group" {
  description = "Name of the log group that the collector writes metrics to; null when there is none. The monitoring module makes one."
  type        = string
  default     = null

  validation {
    condition     = var.metrics_log_group == null ? true : can(regex("^/[A-Za-z0-9/_-]+$", var.metrics_log_group))
    error_message = "metrics_log_group: expected a name such as /sage/metrics, without wildcards."
  }
}

variable "topic" {
  description = "SNS topic that `sage notify` tells operators through, and its key; null when it tells none. The monitoring module has one."
  type        = object({ arn = string, key_arn = string })
  default     = null

  validation {
    condition     = var.topic == null ? true : can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.topic.arn))
    error_message = "topic.arn: expected the ARN of a topic."
  }
}

variable "kubernetes" {
  description = "Cluster whose service accounts take the roles: the ARN of its OpenID Connect provider, the namespace, and by component the names of service accounts. A bridge that is a sidecar runs as its worker's service account: name that account for both, and set `AWS_ROLE_ARN` in the bridge's container. null makes instance profiles for EC2 instead."
  type = object({
    oidc_provider_arn = string
    namespace         = string
    service_accounts  = map(list(string))
  })
  default = null

  validation {
    condition     = var.kubernetes == null ? true : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:oidc-provider/[^*]+$", var.kubernetes.oidc_provider_arn))
    error_message = "kubernetes.oidc_provider_arn: expected arn:aws:iam::ACCOUNT:oidc-provider/ISSUER."
  }

  validation {
    condition = var.kubernetes == null ? true : alltrue([
      for component in ["worker", "bridge", "intake", "notify", "gc", "eraser", "collector"] : length(lookup(var.kubernetes.service_accounts, component, [])) > 0
    ])
    error_message = "kubernetes.service_accounts: expected one or more for each of worker, bridge, intake, notify, gc, eraser and collector."
  }

  validation {
    condition     = var.kubernetes == null ? true : alltrue([for name in concat([var.kubernetes.namespace], flatten(values(var.kubernetes.service_accounts))) : can(regex("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", name))])
    error_message = "kubernetes: expected names without wildcards."
  }
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds every role, where the organisation asks for one."
  type        = string
  default     = null
}
