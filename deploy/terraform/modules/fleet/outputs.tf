output "role_arns" {
  description = "ARNs of the roles by component: `eks.amazonaws.com/role-arn` of its service account, or `AWS_ROLE_ARN` of a sidecar."
  value       = { for component, role in aws_iam_role.this : component => role.arn }
}

output "instance_profiles" {
  description = "Names of the instance profiles by component; none on Kubernetes."
  value       = { for component, profile in aws_iam_instance_profile.this : component => profile.name }
}

output "eraser_role_arn" {
  description = "What the storage module's `eraser_role_arns` takes; known before the role is there."
  value       = "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:role/${var.name}-eraser"
}
