data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  arn = "arn:${data.aws_partition.current.partition}"

  # What each service may do with the key, and on whose behalf.
  services = {
    logs = {
      principal = "logs.${data.aws_region.current.name}.amazonaws.com"
      actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
      condition = {
        ArnLike = {
          "kms:EncryptionContext:aws:logs:arn" = "${local.arn}:logs:${data.aws_region.current.name}:${var.account_id}:log-group:/aws/*/${var.name}*"
        }
      }
    }
    cloudtrail = {
      principal = "cloudtrail.amazonaws.com"
      actions   = ["kms:DescribeKey", "kms:GenerateDataKey"]
      condition = {
        ArnEquals = { "aws:SourceArn" = "${local.arn}:cloudtrail:${data.aws_region.current.name}:${var.account_id}:trail/${var.name}" }
      }
    }
    cloudwatch = {
      principal = "cloudwatch.amazonaws.com"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }
    budgets = {
      principal = "budgets.amazonaws.com"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }
  }

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        # Without this statement nobody could ever change the key's policy; it lets
        # IAM policies grant the use of the key, and grants it to nobody itself.
        Sid       = "AccountDecidesByIAM"
        Effect    = "Allow"
        Principal = { AWS = "${local.arn}:iam::${var.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      }],
      [for name in sort(tolist(var.services)) : {
        Sid       = "Service${title(name)}"
        Effect    = "Allow"
        Principal = { Service = local.services[name].principal }
        Action    = local.services[name].actions
        Resource  = "*"
        Condition = local.services[name].condition
      }],
    )
  })
}

resource "aws_kms_key" "this" {
  description             = "${var.name}: ${var.purpose}"
  enable_key_rotation     = true
  deletion_window_in_days = var.deletion_window_days
  policy                  = local.policy
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}-${var.purpose}"
  target_key_id = aws_kms_key.this.key_id
}
