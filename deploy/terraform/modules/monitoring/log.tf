# What the collector writes. Made before it, which would otherwise make it without an
# end or a key.
resource "aws_cloudwatch_log_group" "metrics" {
  name              = "/${var.name}/metrics"
  retention_in_days = var.log_days
  kms_key_id        = var.key_arn
}
