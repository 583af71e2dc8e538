locals {
  # CloudWatch's way to say which dimensions a metric has: name, value, name, value.
  dimensions = flatten([for name, value in var.metrics.dimensions : [name, value]])
  own        = { for name in ["sage_queue_head_age_seconds", "sage_local_backlog", "sage_budget_used_ratio", "sage_executions_dead_total"] : name => concat([var.metrics.namespace, name], local.dimensions) }
  ended      = { for executor in ["worker", "lambda"] : executor => concat([var.metrics.namespace, "sage_executions_total"], local.dimensions, ["executor", executor]) }
  written    = { for name in ["sage_lambda_run_seconds", "sage_lambda_wait_seconds", "sage_lambda_failures"] : name => ["SageFleet", name, "FunctionName", var.function_name] }
  lambda     = { for metric in ["Invocations", "Duration", "Errors", "Throttles", "ConcurrentExecutions"] : metric => ["AWS/Lambda", metric, "FunctionName", var.function_name] }
  region     = data.aws_region.current.name

  widgets = [
    {
      title = "Where executions ended", stat = "Sum", period = 300, stacked = true
      metrics = [
        concat(local.ended.worker, [{ label = "workers" }]),
        concat(local.ended.lambda, [{ label = "Lambda" }]),
      ]
    },
    {
      title = "Processing time on Lambda, s", stat = "p50", period = 300, stacked = false
      metrics = [
        concat(local.written.sage_lambda_run_seconds, [{ label = "p50" }]),
        concat(local.written.sage_lambda_run_seconds, [{ label = "p99", stat = "p99" }]),
        concat(local.written.sage_lambda_wait_seconds, [{ label = "waited before, p99", stat = "p99" }]),
      ]
    },
    {
      title = "Success rate, %", stat = "Sum", period = 300, stacked = false
      metrics = [
        concat(local.ended.worker, [{ id = "local", visible = false }]),
        concat(local.ended.lambda, [{ id = "delegated", visible = false }]),
        concat(local.own.sage_executions_dead_total, [{ id = "failed", visible = false }]),
        [{ expression = "100 * (1 - failed / (local + delegated))", label = "executions with a report" }],
      ]
    },
    {
      title = "Cost of Lambda, USD a day", stat = "Sum", period = 86400, stacked = false
      metrics = [
        concat(local.lambda.Duration, [{ id = "ms", visible = false }]),
        concat(local.lambda.Invocations, [{ id = "n", visible = false }]),
        [{ expression = "ms / 1000 * ${var.memory_mb} / 1024 * ${format("%.10f", var.prices.gb_second)} + n * ${format("%.10f", var.prices.request)}", label = "by duration and requests" }],
      ]
    },
    {
      title = "Backlog", stat = "Maximum", period = 60, stacked = false
      metrics = [
        concat(local.own.sage_queue_head_age_seconds, [{ label = "oldest waits, s" }]),
        concat(local.own.sage_local_backlog, [{ label = "executions for workers" }]),
      ]
    },
    {
      title = "Lambda", stat = "Sum", period = 60, stacked = false
      metrics = [
        concat(local.lambda.ConcurrentExecutions, [{ label = "at once", stat = "Maximum" }]),
        concat(local.lambda.Errors, [{ label = "errors" }]),
        concat(local.lambda.Throttles, [{ label = "throttled" }]),
        concat(local.written.sage_lambda_failures, [{ label = "attempts that failed" }]),
        concat(local.own.sage_budget_used_ratio, [{ label = "budget used, 1 is all", stat = "Maximum", yAxis = "right" }]),
      ]
    },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type       = "alarm", x = 0, y = 0, width = 24, height = 3
        properties = { title = "Alarms", alarms = [for alarm in aws_cloudwatch_metric_alarm.this : alarm.arn] }
      }],
      [for i, widget in local.widgets : {
        type       = "metric", x = i % 2 * 12, y = 3 + floor(i / 2) * 6, width = 12, height = 6
        properties = merge(widget, { region = local.region, view = "timeSeries" })
      }],
    )
  })
}
