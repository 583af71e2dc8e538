# Who may talk to whom. The fleet's group is for the nodes or pods of workers,
# bridges and NATS; what they need among themselves is the cluster's to allow.
resource "aws_security_group" "fleet" {
  name        = "${var.name}-fleet"
  description = "Workers, bridges and NATS"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-fleet" }
}

resource "aws_security_group" "function" {
  name        = "${var.name}-function"
  description = "The Lambda function"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-function" }
}

resource "aws_security_group" "database" {
  name        = "${var.name}-database"
  description = "The database"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-database" }
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "AWS services, through interface endpoints"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-endpoints" }
}

locals {
  groups = {
    fleet     = aws_security_group.fleet.id
    function  = aws_security_group.function.id
    database  = aws_security_group.database.id
    endpoints = aws_security_group.endpoints.id
  }

  # Each arrow is a rule at both of its ends.
  arrows = merge(
    {
      "fleet-endpoints"    = { from = "fleet", to = "endpoints", port = 443 }
      "function-endpoints" = { from = "function", to = "endpoints", port = 443 }
      "fleet-database"     = { from = "fleet", to = "database", port = 5432 }
    },
    var.mail_port == null ? {} : { "fleet-mail" = { from = "fleet", to = "endpoints", port = var.mail_port } },
    var.nats_port == null ? {} : { "function-nats" = { from = "function", to = "fleet", port = var.nats_port } },
  )
}

resource "aws_vpc_security_group_egress_rule" "arrow" {
  for_each = local.arrows

  security_group_id            = local.groups[each.value.from]
  referenced_security_group_id = local.groups[each.value.to]
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  tags                         = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_ingress_rule" "arrow" {
  for_each = local.arrows

  security_group_id            = local.groups[each.value.to]
  referenced_security_group_id = local.groups[each.value.from]
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  tags                         = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  for_each = { for name in ["fleet", "function"] : name => local.groups[name] }

  security_group_id = each.value
  prefix_list_id    = aws_vpc_endpoint.s3.prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = { Name = "${var.name}-${each.key}-s3" }
}
