output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "alias_arn" {
  description = "What the bridge invokes: `LAMBDA_FUNCTION`."
  value       = "${local.arn}:${local.alias}"

  depends_on = [aws_lambda_alias.live]
}

output "role_arn" {
  description = "Role of the function."
  value       = aws_iam_role.this.arn
}

output "failed_queue" {
  description = "Name of the queue with failed asynchronous invocations."
  value       = aws_sqs_queue.failed.name
}

output "bridge_environment" {
  description = "Settings of the bridge that say what the function is."
  value = {
    LAMBDA_FUNCTION     = "${local.arn}:${local.alias}"
    LAMBDA_REGION       = data.aws_region.current.name
    LAMBDA_TIMEOUT      = "${var.timeout_seconds}s"
    LAMBDA_MEMORY_MB    = tostring(var.memory_mb)
    LAMBDA_ARCHITECTURE = var.architecture
    LAMBDA_CONCURRENCY  = tostring(var.reserved_concurrency)
    BRIDGE_SLOTS        = tostring(var.reserved_concurrency)
  }
}
