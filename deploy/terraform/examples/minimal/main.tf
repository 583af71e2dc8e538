# The least that the fleet needs of AWS: a bucket, a function, roles and alarms.
# Workers and bridges run on EC2 machines, or anywhere with these roles.
locals {
  bucket = "${var.name}-${var.account_id}"
}

module "key" {
  source = "../../modules/key"

  name       = var.name
  purpose    = "fleet"
  account_id = var.account_id
  services   = ["logs", "cloudwatch"]
}

module "storage" {
  source = "../../modules/storage"

  bucket           = local.bucket
  account_id       = var.account_id
  key_arn          = module.key.arn
  eraser_role_arns = [module.fleet.eraser_role_arn]
}

module "function" {
  source = "../../modules/function"

  name                 = var.name
  account_id           = var.account_id
  package              = var.package
  storage_url          = module.storage.url
  storage_policy       = module.storage.policies.worker
  reserved_concurrency = var.reserved_concurrency
  key_arn              = module.key.arn
}

module "fleet" {
  source = "../../modules/fleet"

  name               = var.name
  account_id         = var.account_id
  storage_policies   = module.storage.policies
  function_alias_arn = module.function.alias_arn
  metrics_log_group  = module.monitoring.metrics_log_group
  topic              = { arn = module.monitoring.topic_arn, key_arn = module.key.arn }
}

module "monitoring" {
  source = "../../modules/monitoring"

  name                 = var.name
  account_id           = var.account_id
  function_name        = module.function.name
  reserved_concurrency = var.reserved_concurrency
  memory_mb            = tonumber(module.function.bridge_environment.LAMBDA_MEMORY_MB)
  failed_queue         = module.function.failed_queue
  emails               = var.emails
  key_arn              = module.key.arn
}
