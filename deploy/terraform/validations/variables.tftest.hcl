# What can't work is refused before anything is planned, by variable. One run for a
# module has all its variables wrong; a variable with several rules has more runs.
mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  name       = "sage"
  account_id = "111122223333"
  key_arn    = "arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555"
}

run "key" {
  command = plan

  module {
    source = "./modules/key"
  }

  variables {
    name                 = "Sage"
    account_id           = "1111-2222-3333"
    purpose              = "all data"
    services             = ["s3"]
    deletion_window_days = 1
  }

  expect_failures = [var.name, var.account_id, var.purpose, var.services, var.deletion_window_days]
}

run "network" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    name               = "s"
    account_id         = "1"
    cidr               = "10.0.0.0/24"
    availability_zones = ["eu-central-1a", "eu-central-1a"]
    endpoints          = ["Secrets Manager"]
    bucket_arns        = ["arn:aws:s3:::*"]
    nats_port          = 0
    mail_port          = 25
    log_days           = 100
  }

  expect_failures = [
    var.name, var.account_id, var.cidr, var.availability_zones, var.endpoints, var.bucket_arns, var.nats_port, var.mail_port, var.log_days,
  ]
}

run "storage" {
  command = plan

  module {
    source = "./modules/storage"
  }

  variables {
    bucket            = "Sage_Bucket"
    account_id        = "x"
    key_arn           = "alias/sage"
    eraser_role_arns  = ["arn:aws:iam::111122223333:role/*"]
    inputs_days       = 0
    attempts_days     = 0.5
    cache_days        = 0
    old_versions_days = 0
    access_log_days   = 0
    log_sources       = ["arn:aws:s3:::*"]
  }

  expect_failures = [
    var.bucket, var.account_id, var.key_arn, var.eraser_role_arns, var.inputs_days, var.attempts_days, var.cache_days,
    var.old_versions_days, var.access_log_days, var.log_sources,
  ]
}

run "database" {
  command = plan

  module {
    source = "./modules/database"
  }

  variables {
    name              = "-"
    account_id        = ""
    subnet_ids        = ["subnet-1"]
    security_group_id = "sg-1"
    engine_version    = "9.6"
    instances         = 16
    capacity          = { min = 4, max = 2 }
    backup_days       = 0
    log_days          = 2
  }

  expect_failures = [
    var.name, var.account_id, var.subnet_ids, var.engine_version, var.instances, var.capacity, var.backup_days, var.log_days,
  ]
}

run "secrets" {
  command = plan

  module {
    source = "./modules/secrets"
  }

  variables {
    name          = "SAGE"
    secrets       = { "nats worker" = "x" }
    recovery_days = 0
  }

  expect_failures = [var.name, var.secrets, var.recovery_days]
}

run "secrets_rotated_by_nothing" {
  command = plan

  module {
    source = "./modules/secrets"
  }

  variables {
    secrets  = { nats = "x" }
    rotation = { nats = { function_arn = "rotate", days = 30 } }
  }

  expect_failures = [var.rotation]
}

run "secrets_not_there_to_rotate" {
  command = plan

  module {
    source = "./modules/secrets"
  }

  variables {
    secrets  = { nats = "x" }
    rotation = { other = { function_arn = "arn:aws:lambda:eu-central-1:111122223333:function:rotate", days = 30 } }
  }

  expect_failures = [var.rotation]
}

run "function" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    name                 = "s g"
    account_id           = "12"
    package              = "missing.zip"
    architecture         = "riscv"
    storage_url          = "file:///srv/sage"
    storage_policy       = "{}"
    environment          = { STORAGE_URL = "s3://other" }
    memory_mb            = 64
    scratch_mb           = 1
    timeout_seconds      = 3600
    reserved_concurrency = 0
    event_age_seconds    = 10
    log_days             = 0
  }

  expect_failures = [
    var.name, var.account_id, var.package, var.architecture, var.storage_url, var.environment, var.memory_mb, var.scratch_mb,
    var.timeout_seconds, var.reserved_concurrency, var.event_age_seconds, var.log_days,
  ]
}

run "function_with_a_password_and_too_much_provisioned" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    storage_url    = "s3://sage"
    storage_policy = "{}"
    environment    = { NATS_PASSWORD = "secret" }

    reserved_concurrency    = 10
    provisioned_concurrency = 11
  }

  expect_failures = [var.environment, var.provisioned_concurrency]
}

run "fleet" {
  command = plan

  module {
    source = "./modules/fleet"
  }

  variables {
    name               = "Fleet"
    account_id         = "a"
    storage_policies   = { worker = "{}" }
    function_alias_arn = "arn:aws:lambda:eu-central-1:111122223333:function:sage"
    secret_arns        = { console = [] }
    database_user_arns = { console = [] }
    topic              = { arn = "sage-alarms", key_arn = "x" }
    metrics_log_group  = "/sage/*"
    kubernetes         = { oidc_provider_arn = "oidc", namespace = "sage", service_accounts = {} }
  }

  expect_failures = [
    var.name, var.account_id, var.storage_policies, var.function_alias_arn, var.secret_arns, var.database_user_arns,
    var.topic, var.metrics_log_group, var.kubernetes,
  ]
}

run "fleet_without_the_key_of_its_secrets" {
  command = plan

  module {
    source = "./modules/fleet"
  }

  variables {
    storage_policies   = { worker = "{}", bridge = "{}", intake = "{}", notify = "{}", gc = "{}", eraser = "{}" }
    function_alias_arn = "arn:aws:lambda:eu-central-1:111122223333:function:sage:live"
    secret_arns        = { worker = ["arn:aws:secretsmanager:eu-central-1:111122223333:secret:sage/nats-worker-AbCdEf"] }
  }

  expect_failures = [var.secrets_key_arn]
}

run "fleet_for_any_service_account" {
  command = plan

  module {
    source = "./modules/fleet"
  }

  variables {
    storage_policies   = { worker = "{}", bridge = "{}", intake = "{}", notify = "{}", gc = "{}", eraser = "{}" }
    function_alias_arn = "arn:aws:lambda:eu-central-1:111122223333:function:sage:live"

    kubernetes = {
      oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/oidc.example.org/id/ABC"
      namespace         = "sage"
      service_accounts  = { worker = ["*"], bridge = ["b"], intake = ["i"], notify = ["n"], gc = ["g"], eraser = ["e"], collector = ["c"] }
    }
  }

  expect_failures = [var.kubernetes]
}

run "fleet_without_an_eraser" {
  command = plan

  module {
    source = "./modules/fleet"
  }

  variables {
    storage_policies   = { worker = "{}", bridge = "{}", intake = "{}", notify = "{}", gc = "{}", eraser = "{}" }
    function_alias_arn = "arn:aws:lambda:eu-central-1:111122223333:function:sage:live"

    kubernetes = {
      oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/oidc.example.org/id/ABC"
      namespace         = "sage"
      service_accounts  = { worker = ["w"], bridge = ["b"], intake = ["i"], notify = ["n"], gc = ["g"] }
    }
  }

  expect_failures = [var.kubernetes]
}

run "monitoring" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    name                 = "9"
    account_id           = "9"
    function_name        = "sage-function"
    failed_queue         = "sage-failed-invocations"
    memory_mb            = 1769
    reserved_concurrency = 0
    prices               = { gb_second = 13.3, request = 0.2 }
    backlog_age_seconds  = 0
    monthly_budget_usd   = -1
    emails               = ["nobody"]
    log_days             = 100
  }

  expect_failures = [
    var.name, var.account_id, var.reserved_concurrency, var.prices, var.backlog_age_seconds, var.monthly_budget_usd, var.emails,
    var.log_days,
  ]
}

run "audit" {
  command = plan

  module {
    source = "./modules/audit"
  }

  variables {
    name              = "x_y"
    account_id        = "0"
    bucket            = "B"
    data_bucket_arn   = "sage"
    access_log_bucket = "logs"
    days              = 30
  }

  expect_failures = [var.name, var.account_id, var.bucket, var.data_bucket_arn, var.days]
}

# What can be left out of the examples.
run "fleet_with_database_users" {
  command = plan

  module {
    source = "./modules/fleet"
  }

  variables {
    storage_policies   = { worker = "{}", bridge = "{}", intake = "{}", notify = "{}", gc = "{}", eraser = "{}" }
    function_alias_arn = "arn:aws:lambda:eu-central-1:111122223333:function:sage:live"
    database_user_arns = { intake = ["arn:aws:rds-db:eu-central-1:111122223333:dbuser:cluster-ABC/sage"] }
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.database["intake"].policy).Statement[0].Action == "rds-db:connect"
    error_message = "the component can't log in"
  }

  assert {
    condition     = length(aws_iam_instance_profile.this) == 7
    error_message = "without Kubernetes there is an instance profile for each component"
  }
}
