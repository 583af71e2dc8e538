# One row for each way in which the fleet needs somebody. A metric of Lambda or SQS
# that is missing means that nothing happened; a missing age of the backlog means
# that nobody looks at it, which is an alarm by itself.
locals {
  of_function = { FunctionName = var.function_name }

  alarms = {
    "function-errors" = {
      what      = "more than 5 invocations failed in 5 minutes"
      namespace = "AWS/Lambda", metric = "Errors", dimensions = local.of_function
      statistic = "Sum", period = 300, periods = 1, above = 5, missing = "notBreaching"
    }
    "function-duration" = {
      what      = "an invocation took more than 10 minutes; at 15 Lambda ends it"
      namespace = "AWS/Lambda", metric = "Duration", dimensions = local.of_function
      statistic = "Maximum", period = 300, periods = 1, above = 10 * 60 * 1000, missing = "notBreaching"
    }
    "function-concurrency" = {
      what      = "more than 90 % of the reserved concurrency is used"
      namespace = "AWS/Lambda", metric = "ConcurrentExecutions", dimensions = local.of_function
      statistic = "Maximum", period = 60, periods = 3, above = floor(0.9 * var.reserved_concurrency), missing = "notBreaching"
    }
    "function-throttled" = {
      what      = "invocations are refused; the bridge keeps the work and asks less"
      namespace = "AWS/Lambda", metric = "Throttles", dimensions = local.of_function
      statistic = "Sum", period = 300, periods = 3, above = 0, missing = "notBreaching"
    }
    "failed-invocations" = {
      what      = "asynchronous invocations failed or came too late"
      namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = var.failed_queue }
      statistic = "Maximum", period = 300, periods = 1, above = 0, missing = "notBreaching"
    }
    "backlog-age" = {
      what      = "executions wait too long, or nobody measures how long"
      namespace = var.metrics.namespace, metric = "sage_queue_head_age_seconds", dimensions = var.metrics.dimensions
      statistic = "Maximum", period = 60, periods = 5, above = var.backlog_age_seconds, missing = "breaching"
    }
    "dead-letters" = {
      what      = "executions ended DEAD; see sage dead list"
      namespace = var.metrics.namespace, metric = "sage_executions_dead_total", dimensions = var.metrics.dimensions
      statistic = "Sum", period = 300, periods = 1, above = 0, missing = "notBreaching"
    }
    "budget" = {
      what      = "more than 80 % of the budget is spent; at 100 % everything stays local"
      namespace = var.metrics.namespace, metric = "sage_budget_used_ratio", dimensions = var.metrics.dimensions
      statistic = "Maximum", period = 300, periods = 1, above = 0.8, missing = "notBreaching"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.what
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = each.value.period
  evaluation_periods  = each.value.periods
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.above
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_budgets_budget" "lambda" {
  count = var.monthly_budget_usd > 0 ? 1 : 0

  name         = "${var.name}-lambda"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_unit   = "USD"
  limit_amount = tostring(var.monthly_budget_usd)

  cost_filter {
    name   = "Service"
    values = ["AWS Lambda"]
  }

  notification {
    notification_type         = "ACTUAL"
    comparison_operator       = "GREATER_THAN"
    threshold                 = 80
    threshold_type            = "PERCENTAGE"
    subscriber_sns_topic_arns = [aws_sns_topic.alarms.arn]
  }

  depends_on = [aws_sns_topic_policy.alarms]
}
