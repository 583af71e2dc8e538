# Storage is reached without leaving the VPC, and only the buckets named.
resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${data.aws_region.current.name}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.private.id]
  tags              = { Name = "${var.name}-s3" }

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "KnownBuckets"
      Effect    = "Allow"
      Principal = { AWS = "*" }
      Action    = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"]
      Resource  = concat(var.bucket_arns, [for arn in var.bucket_arns : "${arn}/*"])
    }]
  })
}

resource "aws_vpc_endpoint" "interface" {
  for_each = setunion(var.endpoints, var.mail_port == null ? [] : ["email-smtp"])

  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${data.aws_region.current.name}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [for subnet in aws_subnet.private : subnet.id]
  security_group_ids  = [aws_security_group.endpoints.id]
  tags                = { Name = "${var.name}-${each.key}" }

  # Which calls are allowed is said by the roles; here, that nobody else's are. SMTP has a
  # password and no calls: its endpoint takes no policy.
  policy = each.key == "email-smtp" ? null : jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OwnAccount"
      Effect    = "Allow"
      Principal = { AWS = "*" }
      Action    = "*"
      Resource  = "*"
      Condition = { StringEquals = { "aws:PrincipalAccount" = var.account_id } }
    }]
  })
}
