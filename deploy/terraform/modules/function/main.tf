data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  function = "${var.name}-function"
  alias    = "live"
  where    = "${data.aws_region.current.name}:${var.account_id}"
  arn      = "arn:${data.aws_partition.current.partition}:lambda:${local.where}:function:${local.function}"
}

# Made before the function, which would otherwise make it without an end or a key.
resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${local.function}"
  retention_in_days = var.log_days
  kms_key_id        = var.key_arn
}

resource "aws_lambda_function" "this" {
  function_name = local.function
  description   = "SAGE Fleet: executes what the workers have no room for"
  role          = aws_iam_role.this.arn

  filename         = var.package
  source_code_hash = filebase64sha256(var.package)
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.architecture]
  publish          = true # a version that the alias can name

  memory_size                    = var.memory_mb
  timeout                        = var.timeout_seconds
  reserved_concurrent_executions = var.reserved_concurrency
  kms_key_arn                    = var.key_arn

  ephemeral_storage {
    size = var.scratch_mb
  }

  environment {
    variables = merge(var.environment, { STORAGE_URL = var.storage_url })
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  dynamic "vpc_config" {
    for_each = var.vpc == null ? [] : [var.vpc]

    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = [vpc_config.value.security_group_id]
    }
  }

  # Without its permissions it could neither start nor say why.
  depends_on = [aws_iam_role_policy.storage, aws_iam_role_policy.platform, aws_iam_role_policy.vpc]
}

# What the bridge invokes. A new version is live when all of it is there, and an old
# one again by changing this alone.
resource "aws_lambda_alias" "live" {
  name             = local.alias
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version
}

resource "aws_lambda_provisioned_concurrency_config" "live" {
  count = var.provisioned_concurrency > 0 ? 1 : 0

  function_name                     = aws_lambda_function.this.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = var.provisioned_concurrency
}

# Lambda's own retries are off: the queue retries, and counts its attempts.
resource "aws_lambda_function_event_invoke_config" "live" {
  function_name                = aws_lambda_function.this.function_name
  qualifier                    = aws_lambda_alias.live.name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = var.event_age_seconds

  destination_config {
    on_failure {
      destination = aws_sqs_queue.failed.arn
    }
  }
}
