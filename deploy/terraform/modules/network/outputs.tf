output "vpc_id" {
  description = "ID of the VPC."
  value       = aws_vpc.this.id
}

output "subnet_ids" {
  description = "IDs of the private subnets, in the order of the zones."
  value       = [for zone in var.availability_zones : aws_subnet.private[zone].id]
}

output "fleet_security_group_id" {
  description = "Security group for the nodes or pods of workers, bridges and NATS."
  value       = aws_security_group.fleet.id
}

output "function_security_group_id" {
  description = "Security group for the Lambda function."
  value       = aws_security_group.function.id
}

output "database_security_group_id" {
  description = "Security group for the database."
  value       = aws_security_group.database.id
}
