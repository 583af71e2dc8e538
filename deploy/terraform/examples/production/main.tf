# The whole of it: a network without a way to the internet, two keys, a database for
# the ledger, secrets, an audit trail. The fleet itself runs on Kubernetes, under the
# roles that the service accounts take.
locals {
  bucket       = "${var.name}-${var.account_id}"
  trail_bucket = "${var.name}-${var.account_id}-trail"

  # Credentials that a component has for itself alone.
  secrets = {
    serve       = "Of sage serve: session_key, which keeps browsers logged in"
    notify      = "Of sage notify: smtp_password, and what signs webhooks"
    nats-worker = "NATS credentials of the workers"
    nats-bridge = "NATS credentials of the bridges"
    nats-intake = "NATS credentials of the intake"
    nats-notify = "NATS credentials of sage notify"
    nats-gc     = "NATS credentials of sage admin gc"
    nats-eraser = "NATS credentials of sage erase"
  }

  # Who may read which. The intake is sage serve.
  readers = {
    worker = ["nats-worker"]
    bridge = ["nats-bridge"]
    intake = ["nats-intake", "serve"]
    notify = ["nats-notify", "notify"]
    gc     = ["nats-gc"]
    eraser = ["nats-eraser"]
  }

  # Of the ledger's database; the runbook on installing creates it.
  database_user = "sage_ledger"
}

# What customers sent, what was made of it, and who looked.
module "data_key" {
  source = "../../modules/key"

  name       = var.name
  purpose    = "data"
  account_id = var.account_id
  services   = ["cloudtrail", "logs"]
}

# Logs, alarms, settings and credentials.
module "operations_key" {
  source = "../../modules/key"

  name       = var.name
  purpose    = "operations"
  account_id = var.account_id
  services   = ["logs", "cloudwatch", "budgets"]
}

module "network" {
  source = "../../modules/network"

  name               = var.name
  account_id         = var.account_id
  availability_zones = var.availability_zones
  bucket_arns        = [module.storage.arn]
  mail_port          = var.mail_port
  key_arn            = module.operations_key.arn
}

module "storage" {
  source = "../../modules/storage"

  bucket           = local.bucket
  account_id       = var.account_id
  key_arn          = module.data_key.arn
  eraser_role_arns = [module.fleet.eraser_role_arn]
  log_sources      = module.audit[*].bucket_arn
  force_destroy    = var.force_destroy
}

module "database" {
  source = "../../modules/database"

  name                = var.name
  account_id          = var.account_id
  subnet_ids          = module.network.subnet_ids
  security_group_id   = module.network.database_security_group_id
  key_arn             = module.data_key.arn
  instances           = var.database_instances
  deletion_protection = var.deletion_protection
}

module "secrets" {
  source = "../../modules/secrets"

  name     = var.name
  secrets  = local.secrets
  key_arn  = module.operations_key.arn
  rotation = var.rotation
}

module "function" {
  source = "../../modules/function"

  name                    = var.name
  account_id              = var.account_id
  package                 = var.package
  storage_url             = module.storage.url
  storage_policy          = module.storage.policies.worker
  reserved_concurrency    = var.reserved_concurrency
  provisioned_concurrency = var.provisioned_concurrency
  key_arn                 = module.operations_key.arn

  vpc = {
    subnet_ids        = module.network.subnet_ids
    security_group_id = module.network.function_security_group_id
  }
}

module "fleet" {
  source = "../../modules/fleet"

  name               = var.name
  account_id         = var.account_id
  storage_policies   = module.storage.policies
  function_alias_arn = module.function.alias_arn
  metrics_log_group  = module.monitoring.metrics_log_group
  topic              = { arn = module.monitoring.topic_arn, key_arn = module.operations_key.arn }
  secret_arns        = { for component, names in local.readers : component => [for name in names : module.secrets.arns[name]] }
  secrets_key_arn    = module.operations_key.arn
  database_user_arns = { intake = ["${module.database.user_arn_prefix}${local.database_user}"] }
  kubernetes         = var.kubernetes
}

module "monitoring" {
  source = "../../modules/monitoring"

  name                 = var.name
  account_id           = var.account_id
  function_name        = module.function.name
  reserved_concurrency = var.reserved_concurrency
  memory_mb            = tonumber(module.function.bridge_environment.LAMBDA_MEMORY_MB)
  failed_queue         = module.function.failed_queue
  monthly_budget_usd   = var.monthly_budget_usd
  emails               = var.emails
  key_arn              = module.operations_key.arn
}

module "audit" {
  source = "../../modules/audit"
  count  = var.audit ? 1 : 0

  name              = var.name
  account_id        = var.account_id
  bucket            = local.trail_bucket
  data_bucket_arn   = module.storage.arn
  access_log_bucket = module.storage.logs_bucket
  key_arn           = module.data_key.arn
  force_destroy     = var.force_destroy
}
