output "bucket" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.bucket

  # Nobody is told of the bucket before it protects what is put there.
  depends_on = [
    aws_s3_bucket_policy.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_versioning.this,
  ]
}

output "arn" {
  description = "ARN of the bucket."
  value       = local.arn
}

output "logs_bucket" {
  description = "Name of the bucket with the access log."
  value       = aws_s3_bucket.logs.bucket
}

output "url" {
  description = "`STORAGE_URL` of every component."
  value       = "s3://${var.bucket}?region=${data.aws_region.current.name}&sse_kms_key_id=${urlencode(var.key_arn)}"
}

output "policies" {
  description = "IAM policies by component (worker, bridge, intake, notify, gc, eraser): what its code does with objects, and no more. The Lambda does what a worker does."
  value       = local.policies
}
