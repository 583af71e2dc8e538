output "trail_arn" {
  description = "ARN of the trail."
  value       = aws_cloudtrail.this.arn
}

output "bucket" {
  description = "Name of the bucket with the trail."
  value       = aws_s3_bucket.this.bucket
}

output "bucket_arn" {
  description = "ARN of that bucket; known before it is there."
  value       = local.arn
}
