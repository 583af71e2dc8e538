resource "aws_iam_role" "this" {
  name = local.function
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "storage" {
  name   = "storage"
  role   = aws_iam_role.this.name
  policy = var.storage_policy
}

# What Lambda itself does in the function's name.
resource "aws_iam_role_policy" "platform" {
  name = "platform"
  role = aws_iam_role.this.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "arn:${data.aws_partition.current.partition}:logs:${local.where}:log-group:/aws/lambda/${local.function}:*"
      },
      {
        Sid      = "FailedInvocations"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = local.queue_arn
      },
      {
        Sid      = "Settings"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = var.key_arn
        Condition = {
          StringEquals = { "kms:EncryptionContext:aws:lambda:FunctionArn" = local.arn }
        }
      },
      {
        Sid       = "QueueEncryption"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = var.key_arn
        Condition = { StringEquals = { "kms:ViaService" = "sqs.${data.aws_region.current.name}.amazonaws.com" } }
      },
    ]
  })
}

# Lambda refuses a function in a VPC whose role may not do this to every network
# interface; it makes them before it knows their names. The second statement takes
# the same from the code that runs inside.
resource "aws_iam_role_policy" "vpc" {
  count = var.vpc == null ? 0 : 1

  name = "vpc"
  role = aws_iam_role.this.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "NetworkInterfaces"
        Effect = "Allow"
        Action = [
          "ec2:AssignPrivateIpAddresses",
          "ec2:CreateNetworkInterface",
          "ec2:DeleteNetworkInterface",
          "ec2:DescribeNetworkInterfaces",
          "ec2:DescribeSubnets",
          "ec2:UnassignPrivateIpAddresses",
        ]
        Resource = "*"
      },
      {
        Sid    = "NotFromInside"
        Effect = "Deny"
        Action = [
          "ec2:AssignPrivateIpAddresses",
          "ec2:CreateNetworkInterface",
          "ec2:DeleteNetworkInterface",
          "ec2:DescribeNetworkInterfaces",
          "ec2:DescribeSubnets",
          "ec2:UnassignPrivateIpAddresses",
        ]
        Resource  = "*"
        Condition = { ArnEquals = { "lambda:SourceFunctionArn" = local.arn } }
      },
    ]
  })
}
