data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  components = toset(["worker", "bridge", "intake", "notify", "gc", "eraser", "collector"])
  stored     = setsubtract(local.components, ["collector"]) # which has no business with objects
  issuer     = var.kubernetes == null ? "" : split("oidc-provider/", var.kubernetes.oidc_provider_arn)[1]

  # Who may take a component's role.
  trust = { for component in local.components : component => jsonencode({
    Version = "2012-10-17"
    Statement = var.kubernetes == null ? [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {}
      }] : [{
      Effect    = "Allow"
      Principal = { Federated = var.kubernetes.oidc_provider_arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = { StringEquals = {
        "${local.issuer}:aud" = "sts.amazonaws.com"
        "${local.issuer}:sub" = [for account in var.kubernetes.service_accounts[component] : "system:serviceaccount:${var.kubernetes.namespace}:${account}"]
      } }
    }]
  }) }
}

resource "aws_iam_role" "this" {
  for_each = local.components

  name                 = "${var.name}-${each.key}"
  description          = "SAGE Fleet: ${each.key}"
  assume_role_policy   = local.trust[each.key]
  permissions_boundary = var.permissions_boundary_arn
}

resource "aws_iam_instance_profile" "this" {
  for_each = var.kubernetes == null ? local.components : []

  name = "${var.name}-${each.key}"
  role = aws_iam_role.this[each.key].name
}

resource "aws_iam_role_policy" "storage" {
  for_each = local.stored

  name   = "storage"
  role   = aws_iam_role.this[each.key].name
  policy = var.storage_policies[each.key]
}

# Only bridges invoke, and only what is live.
resource "aws_iam_role_policy" "invoke" {
  name = "invoke"
  role = aws_iam_role.this["bridge"].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "Invoke"
      Effect   = "Allow"
      Action   = "lambda:InvokeFunction"
      Resource = var.function_alias_arn
    }]
  })
}

# The collector writes metrics as a log, which CloudWatch reads them from.
resource "aws_iam_role_policy" "metrics" {
  count = var.metrics_log_group == null ? 0 : 1

  name = "metrics"
  role = aws_iam_role.this["collector"].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "Write"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "arn:${data.aws_partition.current.partition}:logs:${data.aws_region.current.name}:${var.account_id}:log-group:${var.metrics_log_group}:*"
    }]
  })
}

# What operators are told goes to the topic that alarms go to.
resource "aws_iam_role_policy" "publish" {
  count = var.topic == null ? 0 : 1

  name = "publish"
  role = aws_iam_role.this["notify"].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Publish"
        Effect   = "Allow"
        Action   = "sns:Publish"
        Resource = var.topic.arn
      },
      {
        Sid       = "Encryption"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = var.topic.key_arn
        Condition = { StringEquals = { "kms:ViaService" = "sns.${data.aws_region.current.name}.amazonaws.com" } }
      },
    ]
  })
}

resource "aws_iam_role_policy" "secrets" {
  for_each = var.secret_arns

  name = "secrets"
  role = aws_iam_role.this[each.key].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Read"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = each.value
      },
      {
        Sid       = "Encryption"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = var.secrets_key_arn
        Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${data.aws_region.current.name}.amazonaws.com" } }
      },
    ]
  })
}

resource "aws_iam_role_policy" "database" {
  for_each = var.database_user_arns

  name = "database"
  role = aws_iam_role.this[each.key].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "LogIn"
      Effect   = "Allow"
      Action   = "rds-db:connect"
      Resource = each.value
    }]
  })
}
