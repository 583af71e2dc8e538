output "storage_url" {
  description = "`STORAGE_URL` of every component."
  value       = module.storage.url
}

output "bridge_environment" {
  description = "Further settings of the bridge."
  value       = module.function.bridge_environment
}

output "role_arns" {
  description = "Roles by component."
  value       = module.fleet.role_arns
}

output "dashboard" {
  description = "Name of the dashboard."
  value       = module.monitoring.dashboard
}

output "secret_arns" {
  description = "Secrets to put values into."
  value       = module.secrets.arns
}

output "database" {
  description = "Where the ledger's database is, and the secret with its master password."
  value = {
    endpoint          = module.database.endpoint
    port              = module.database.port
    user_arn_prefix   = module.database.user_arn_prefix
    master_secret_arn = module.database.master_secret_arn
  }
}

output "ledger_url" {
  description = "`LEDGER_URL` of `sage serve`, where deploy/k8s puts the authorities of RDS. It logs in by IAM: there is no password in it."
  value       = "postgres://${local.database_user}@${module.database.endpoint}:${module.database.port}/${module.database.name}?auth=iam&sslmode=verify-full&sslrootcert=/etc/sage/rds/ca.pem"
}

output "network" {
  description = "Where the fleet's nodes or pods belong."
  value = {
    vpc_id            = module.network.vpc_id
    subnet_ids        = module.network.subnet_ids
    security_group_id = module.network.fleet_security_group_id
  }
}
