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

output "instance_profiles" {
  description = "Instance profiles by component."
  value       = module.fleet.instance_profiles
}
