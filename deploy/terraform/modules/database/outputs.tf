output "endpoint" {
  description = "Host name of the writer."
  value       = aws_rds_cluster.this.endpoint
}

output "reader_endpoint" {
  description = "Host name of the readers."
  value       = aws_rds_cluster.this.reader_endpoint
}

output "port" {
  description = "Port of the cluster."
  value       = aws_rds_cluster.this.port
}

output "name" {
  description = "Name of the database."
  value       = aws_rds_cluster.this.database_name
}

output "user_arn_prefix" {
  description = "What `rds-db:connect` is granted on, with the name of a database user appended."
  value       = "arn:${data.aws_partition.current.partition}:rds-db:${data.aws_region.current.name}:${var.account_id}:dbuser:${aws_rds_cluster.this.cluster_resource_id}/"
}

output "master_secret_arn" {
  description = "Secret with the master password, for whoever creates the database users."
  value       = aws_rds_cluster.this.master_user_secret[0].secret_arn
}
