locals {
  # CloudWatch's way to say which dimensions a metric has: name, value, name, value.
  dimensions = flatten([for name, value in var.metrics.dimensions : [name, value]])
  own        = { for key in ["backlog_age", "budget_used", "dead_letters", "local", "delegated", "failed", "run_seconds"] : key => concat([var.metrics.namespace, var.metrics[key]], local.dimensions) }
  lambda     = { for metric in ["Invocations", "Duration", "Errors", "Throttles", "ConcurrentExecutions"] : metric => ["AWS/Lambda", metric, "FunctionName", var.function_name] }
  region     = data.aws_region.current.name

  widgets = [
    {
      title = "Where executions ended", stat = "Sum", period = 300, stacked = true
      metrics = [
        concat(local.own.local, [{ label = "workers" }]),
        concat(local.own.delegated, [{ label = "Lambda" }]),
      ]
    },
    {
      title = "Processing time, s", stat = "p50", period = 300, stacked = false
      metrics = [
        concat(local.own.run_seconds, [{ label = "all, p50" }]),
        concat(local.own.run_seconds, [{ label = "all, p99", stat = "p99" }]),
        concat(local.lambda.Duration, [{ id = "ms", stat = "p99", visible = false }]),
        [{ expression = "ms / 1000", label = "Lambda, p99" }],
      ]
    },
    {
      title = "Success rate, %", stat = "Sum", period = 300, stacked = false
      metrics = [
        concat(local.own.local, [{ id = "local", visible = false }]),
        concat(local.own.delegated, [{ id = "delegated", visible = false }]),
        concat(local.own.failed, [{ id = "failed", visible = false }]),
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
        concat(local.own.backlog_age, [{ label = "oldest waits, s" }]),
        concat(local.own.dead_letters, [{ label = "dead letters" }]),
      ]
    },
    {
      title = "Lambda", stat = "Sum", period = 60, stacked = false
      metrics = [
        concat(local.lambda.ConcurrentExecutions, [{ label = "at once", stat = "Maximum" }]),
        concat(local.lambda.Errors, [{ label = "errors" }]),
        concat(local.lambda.Throttles, [{ label = "throttled" }]),
        concat(local.own.budget_used, [{ label = "budget used, %", stat = "Maximum" }]),
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
