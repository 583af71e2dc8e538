# Both examples as they would stand after an apply. The Go tests read these states
# and hold them against the policies.
mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  account_id = "111122223333"
  region     = "eu-central-1"
}

run "minimal" {
  module {
    source = "./examples/minimal"
  }
}

run "production" {
  # As AWS tells them apart, so that tests see who may read which.
  override_resource {
    target = module.secrets.aws_secretsmanager_secret.this["serve"]
    values = { arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:sage/serve-AbCdEf" }
  }

  override_resource {
    target = module.secrets.aws_secretsmanager_secret.this["nats-worker"]
    values = { arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:sage/nats-worker-AbCdEf" }
  }

  override_resource {
    target = module.secrets.aws_secretsmanager_secret.this["nats-bridge"]
    values = { arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:sage/nats-bridge-AbCdEf" }
  }

  override_resource {
    target = module.secrets.aws_secretsmanager_secret.this["nats-intake"]
    values = { arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:sage/nats-intake-AbCdEf" }
  }

  override_resource {
    target = module.secrets.aws_secretsmanager_secret.this["nats-gc"]
    values = { arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:sage/nats-gc-AbCdEf" }
  }

  override_resource {
    target = module.secrets.aws_secretsmanager_secret.this["nats-eraser"]
    values = { arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:sage/nats-eraser-AbCdEf" }
  }

  override_resource {
    target = module.secrets.aws_secretsmanager_secret.this["notify"]
    values = { arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:sage/notify-AbCdEf" }
  }

  override_resource {
    target = module.secrets.aws_secretsmanager_secret.this["nats-notify"]
    values = { arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:sage/nats-notify-AbCdEf" }
  }

  # What AWS gives to one that takes none.
  override_resource {
    target = module.network.aws_vpc_endpoint.interface["email-smtp"]
    values = { policy = "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}]}" }
  }

  module {
    source = "./examples/production"
  }

  variables {
    availability_zones      = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
    emails                  = ["operaciones@example.org"]
    provisioned_concurrency = 5

    rotation = { serve = { function_arn = "arn:aws:lambda:eu-central-1:111122223333:function:rotate", days = 90 } }

    kubernetes = {
      oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/ABC"
    }
  }
}
