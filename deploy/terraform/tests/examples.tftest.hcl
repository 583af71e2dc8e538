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
  module {
    source = "./examples/production"
  }

  variables {
    availability_zones      = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
    emails                  = ["operaciones@example.org"]
    provisioned_concurrency = 5

    kubernetes = {
      oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/ABC"
    }
  }
}
