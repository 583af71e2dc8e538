# Where asynchronous invocations go that failed or came too late. The work itself is
# not lost with them: its message is still on the queue of the fleet.
locals {
  queue     = "${var.name}-failed-invocations"
  queue_arn = "arn:${data.aws_partition.current.partition}:sqs:${local.where}:${local.queue}"
}

resource "aws_sqs_queue" "failed" {
  name                              = local.queue
  message_retention_seconds         = 14 * 24 * 3600
  kms_master_key_id                 = var.key_arn
  kms_data_key_reuse_period_seconds = 3600
}

resource "aws_sqs_queue_policy" "failed" {
  queue_url = aws_sqs_queue.failed.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TLSOnly"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = "sqs:*"
      Resource  = local.queue_arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
