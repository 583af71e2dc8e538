# What each component does with objects, as its code calls S3: deploy/terraform's
# tests run that code and hold its calls against these tables, in both directions.
locals {
  # Under which prefixes a component gets, puts and deletes. Opening a store lists it.
  access = {
    worker = {
      get    = ["inputs/", "outcome/", "attempts/", "cache/"]
      put    = ["outcome/", "attempts/", "cache/"]
      delete = ["cache/"]
    }
    bridge = {
      get    = ["inputs/", "outcome/"]
      put    = ["outcome/"]
      delete = []
    }
    intake = {
      get    = ["inputs/", "outcome/", "attempts/", "configurations/", "probes/"]
      put    = ["inputs/", "outcome/", "configurations/", "probes/"]
      delete = ["inputs/", "probes/"] # uploads of a form that is refused
    }
    notify = {
      get    = ["outcome/", "attempts/"]
      put    = []
      delete = []
    }
    gc = {
      get    = ["outcome/"]
      put    = []
      delete = ["inputs/", "attempts/", "cache/"]
    }
    eraser = {
      get    = ["inputs/", "outcome/", "cache/"]
      put    = ["outcome/"]
      delete = ["inputs/", "attempts/", "cache/"]
    }
  }

  actions = {
    get    = ["s3:GetObject"]
    put    = ["s3:PutObject", "s3:AbortMultipartUpload"]
    delete = ["s3:DeleteObject"]
  }

  policies = { for component, prefixes in local.access : component => jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        # No condition on the prefix: a get of a missing object is answered with 404
        # only to those who may list the bucket, and 403 to others.
        Sid      = "List"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = local.arn
      }],
      [for verb in ["get", "put", "delete"] : {
        Sid      = title(verb)
        Effect   = "Allow"
        Action   = local.actions[verb]
        Resource = [for prefix in prefixes[verb] : "${local.arn}/${prefix}*"]
      } if length(prefixes[verb]) > 0],
      [{
        # Reading decrypts; writing needs a new data key, and in parts both.
        Sid       = "Encryption"
        Effect    = "Allow"
        Action    = length(prefixes.put) == 0 ? ["kms:Decrypt"] : ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = var.key_arn
        Condition = { StringEquals = { "kms:ViaService" = "s3.${data.aws_region.current.name}.amazonaws.com" } }
      }],
    )
  }) }
}
