variable "name" {
  description = "Name of the fleet, and what every resource here is called by."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "name: expected 2 to 20 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "account_id" {
  description = "AWS account, 12 digits."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id: expected 12 digits."
  }
}

variable "cidr" {
  description = "Addresses of the VPC; each zone gets a sixteenth of them."
  type        = string
  default     = "10.64.0.0/16"

  validation {
    condition     = can(cidrsubnet(var.cidr, 4, 15)) && try(tonumber(split("/", var.cidr)[1]) <= 20, false)
    error_message = "cidr: expected a block of /20 or larger, such as 10.64.0.0/16."
  }
}

variable "availability_zones" {
  description = "Zones with a subnet; a database needs two, an outage of a zone asks for three."
  type        = list(string)

  validation {
    condition     = length(var.availability_zones) >= 2 && length(var.availability_zones) <= 6 && length(distinct(var.availability_zones)) == length(var.availability_zones)
    error_message = "availability_zones: expected 2 to 6 different zones, such as [\"eu-central-1a\", \"eu-central-1b\"]."
  }
}

variable "endpoints" {
  description = "AWS services that get an interface endpoint. The subnets have no way to the internet, so a service without one can't be reached."
  type        = set(string)
  default     = ["kms", "lambda", "logs", "monitoring", "secretsmanager", "sns", "sts"]

  validation {
    condition     = alltrue([for service in var.endpoints : can(regex("^[a-z0-9.-]+$", service))])
    error_message = "endpoints: expected service names as in com.amazonaws.REGION.NAME, such as secretsmanager or ecr.api."
  }
}

variable "mail_port" {
  description = "Port at which the fleet may hand e-mail to SES, `SMTP_ADDRESS=email-smtp.REGION.amazonaws.com:PORT`, through an endpoint that not every zone has; null when it doesn't. Mail servers and webhooks elsewhere need a way there, and a rule of their own in the fleet's security group."
  type        = number
  default     = null

  validation {
    condition     = var.mail_port == null ? true : contains([465, 587, 2465, 2587], var.mail_port)
    error_message = "mail_port: expected 465, 587, 2465 or 2587."
  }
}

variable "bucket_arns" {
  description = "Buckets that can be reached through the S3 endpoint: the fleet's, and where images come from if nodes run here (`arn:aws:s3:::prod-REGION-starport-layer-bucket`)."
  type        = list(string)

  validation {
    condition     = length(var.bucket_arns) > 0 && alltrue([for arn in var.bucket_arns : can(regex("^arn:[a-z-]+:s3:::[a-z0-9.-]+$", arn))])
    error_message = "bucket_arns: expected ARNs of buckets, without wildcards."
  }
}

variable "nats_port" {
  description = "Port at which the function may reach the fleet's NATS servers; null when it doesn't (`LAMBDA_GUARDED=false`)."
  type        = number
  default     = null

  validation {
    condition     = var.nats_port == null ? true : var.nats_port > 0 && var.nats_port < 65536
    error_message = "nats_port: expected a port, such as 4222."
  }
}

variable "key_arn" {
  description = "ARN of the KMS key of the flow log."
  type        = string
}

variable "log_days" {
  description = "Days that the flow log is kept; one of the numbers CloudWatch takes."
  type        = number
  default     = 90

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_days)
    error_message = "log_days: expected a retention that CloudWatch knows, such as 30, 90 or 365."
  }
}
