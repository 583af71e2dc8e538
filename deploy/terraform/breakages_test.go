package terraform

const bucketName = "sage-" + account

// breakages are the failing fixtures, for every rule one or more.
var breakages = map[string]breakage{
	"bucket without encryption": {"encryption", "module.storage.aws_s3_bucket.this", func(b *breaker) {
		b.drop("module.storage.aws_s3_bucket_server_side_encryption_configuration.this")
	}},
	"bucket under S3's own key": {"encryption", "module.storage.aws_s3_bucket.this", func(b *breaker) {
		b.set("module.storage.aws_s3_bucket_server_side_encryption_configuration.this", "rule.0.apply_server_side_encryption_by_default.0.sse_algorithm", "AES256")
	}},
	"bucket under AWS's key": {"encryption", "module.storage.aws_s3_bucket.this", func(b *breaker) {
		b.set("module.storage.aws_s3_bucket_server_side_encryption_configuration.this", "rule.0.apply_server_side_encryption_by_default.0.kms_master_key_id", nil)
	}},
	"log without a key":        {"encryption", "aws_cloudwatch_log_group", func(b *breaker) { b.set("module.function.aws_cloudwatch_log_group", "kms_key_id", "") }},
	"queue without a key":      {"encryption", "aws_sqs_queue", func(b *breaker) { b.set("aws_sqs_queue.failed", "kms_master_key_id", nil) }},
	"topic without a key":      {"encryption", "aws_sns_topic", func(b *breaker) { b.set("aws_sns_topic.alarms", "kms_master_key_id", nil) }},
	"secret under AWS's key":   {"encryption", "aws_secretsmanager_secret", func(b *breaker) { b.set("aws_secretsmanager_secret.this", "kms_key_id", "alias/aws/secretsmanager") }},
	"settings without a key":   {"encryption", "aws_lambda_function", func(b *breaker) { b.set("aws_lambda_function.this", "kms_key_arn", "") }},
	"trail without a key":      {"encryption", "aws_cloudtrail", func(b *breaker) { b.set("aws_cloudtrail.this", "kms_key_id", nil) }},
	"cluster in the clear":     {"encryption", "aws_rds_cluster", func(b *breaker) { b.set("aws_rds_cluster.this", "storage_encrypted", false) }},
	"key for ever":             {"encryption", "aws_kms_key", func(b *breaker) { b.set("aws_kms_key.this", "enable_key_rotation", false) }},
	"a type nobody judged yet": {"encryption", "aws_dynamodb_table", func(b *breaker) { b.add("aws_dynamodb_table", nil) }},

	"no public access block": {"public", "module.storage.aws_s3_bucket.this", func(b *breaker) { b.drop("module.storage.aws_s3_bucket_public_access_block.this") }},
	"public policies":        {"public", "module.storage.aws_s3_bucket.this", func(b *breaker) { b.set("aws_s3_bucket_public_access_block.this", "block_public_policy", false) }},
	"access lists":           {"public", "module.storage.aws_s3_bucket.this", func(b *breaker) { b.drop("module.storage.aws_s3_bucket_ownership_controls.this") }},
	"public subnet":          {"public", "aws_subnet", func(b *breaker) { b.set("aws_subnet.private", "map_public_ip_on_launch", true) }},
	"public database":        {"public", "aws_rds_cluster_instance", func(b *breaker) { b.set("aws_rds_cluster_instance.this", "publicly_accessible", true) }},
	"a gateway":              {"public", "aws_internet_gateway", func(b *breaker) { b.add("aws_internet_gateway", nil) }},
	"open to the world": {"public", "aws_vpc_security_group_ingress_rule", func(b *breaker) {
		b.add("aws_vpc_security_group_ingress_rule", map[string]any{"cidr_ipv4": "0.0.0.0/0"})
	}},
	"rotated by anybody": {"public", "aws_lambda_permission.rotation", func(b *breaker) { b.set("aws_lambda_permission.rotation", "source_arn", nil) }},
	"everyone may read": {"public", "aws_s3_bucket_policy", func(b *breaker) {
		b.add("aws_s3_bucket_policy", map[string]any{"bucket": "x", "policy": `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::x/y/*"}]}`})
	}},

	"bucket without TLS": {"tls", "module.storage.aws_s3_bucket.this", func(b *breaker) {
		b.edit("module.storage.aws_s3_bucket_policy.this", "policy", `"aws:SecureTransport":"false"`, `"aws:SecureTransport":"true"`)
	}},
	"objects without TLS": {"tls", "module.storage.aws_s3_bucket.this", func(b *breaker) {
		b.edit("module.storage.aws_s3_bucket_policy.this", "policy", `"Resource":["arn:aws:s3:::`+bucketName+`","arn:aws:s3:::`+bucketName+`/*"]`, `"Resource":["arn:aws:s3:::`+bucketName+`"]`)
	}},
	"queue without TLS":    {"tls", "aws_sqs_queue", func(b *breaker) { b.drop("aws_sqs_queue_policy") }},
	"topic without TLS":    {"tls", "aws_sns_topic", func(b *breaker) { b.edit("aws_sns_topic_policy", "policy", "Deny", "Allow") }},
	"database without TLS": {"tls", "aws_rds_cluster", func(b *breaker) { b.set("aws_rds_cluster_parameter_group", "parameter", []any{}) }},

	"outcomes replaced": {"outcomes", "aws_s3_bucket", func(b *breaker) {
		b.edit("module.storage.aws_s3_bucket_policy.this", "policy", `"s3:if-none-match":"true"`, `"s3:if-none-match":"false"`)
	}},
	"outcomes replaced by workers": {"outcomes", "aws_s3_bucket", func(b *breaker) {
		b.edit("module.storage.aws_s3_bucket_policy.this", "policy", "sage-eraser", "sage-worker")
	}},
	"outcomes replaced by one more": {"outcomes", "aws_s3_bucket", func(b *breaker) {
		b.edit("module.storage.aws_s3_bucket_policy.this", "policy", `"Null":{"s3:if-none-match":"true"}`, `"Null":{"s3:if-none-match":"true"},"StringNotEquals":{"aws:PrincipalTag/x":"y"}`)
	}},
	"outcomes deleted": {"outcomes", "aws_s3_bucket", func(b *breaker) {
		b.edit("module.storage.aws_s3_bucket_policy.this", "policy", `"s3:DeleteObjectVersion"`, `"s3:GetObject"`)
	}},
	"outcomes unprotected": {"outcomes", "aws_s3_bucket", func(b *breaker) { b.drop("module.storage.aws_s3_bucket_policy.this") }},
	"no versions": {"outcomes", "aws_s3_bucket", func(b *breaker) {
		b.set("module.storage.aws_s3_bucket_versioning.this", "versioning_configuration.0.status", "Suspended")
	}},

	"inputs kept for ever": {"lifecycle", "aws_s3_bucket", func(b *breaker) {
		b.set("module.storage.aws_s3_bucket_lifecycle_configuration.this", "rule.1.filter.0.prefix", "other/")
		b.set("module.storage.aws_s3_bucket_lifecycle_configuration.this", "rule.2.filter.0.prefix", "other/")
	}},
	"everything expires": {"lifecycle", "aws_s3_bucket", func(b *breaker) {
		b.set("module.storage.aws_s3_bucket_lifecycle_configuration.this", "rule.1.filter.0.prefix", "")
	}},
	"outcomes expire": {"lifecycle", "aws_s3_bucket", func(b *breaker) {
		b.set("module.storage.aws_s3_bucket_lifecycle_configuration.this", "rule.1.filter.0.prefix", "outcome/ab/")
	}},
	"old versions kept": {"lifecycle", "aws_s3_bucket", func(b *breaker) {
		b.set("module.storage.aws_s3_bucket_lifecycle_configuration.this", "rule.3.noncurrent_version_expiration", []any{})
	}},

	"no access log":       {"access log", "aws_s3_bucket", func(b *breaker) { b.drop("module.storage.aws_s3_bucket_logging.this") }},
	"log not delivered":   {"access log", "module.audit", func(b *breaker) { b.edit("aws_s3_bucket_policy.logs", "policy", bucketName+"-trail", bucketName+"-x") }},
	"trail of nothing":    {"access log", "aws_cloudtrail", func(b *breaker) { b.set("aws_cloudtrail.this", "advanced_event_selector", []any{}) }},
	"trail can be forged": {"access log", "aws_cloudtrail", func(b *breaker) { b.set("aws_cloudtrail.this", "enable_log_file_validation", false) }},

	"any action": {"wildcards", "aws_iam_role_policy", func(b *breaker) {
		b.edit(`module.fleet.aws_iam_role_policy.storage["worker"]`, "policy", `"s3:ListBucket"`, `"s3:*"`)
	}},
	"any bucket": {"wildcards", "aws_iam_role_policy", func(b *breaker) {
		b.edit(`module.fleet.aws_iam_role_policy.storage["worker"]`, "policy", `"Resource":"arn:aws:s3:::`+bucketName+`"`, `"Resource":"*"`)
	}},
	"any object": {"wildcards", "aws_iam_role_policy", func(b *breaker) {
		b.edit(`module.fleet.aws_iam_role_policy.storage["worker"]`, "policy", bucketName+"/inputs/*", bucketName+"/*")
	}},
	"any version of the function": {"wildcards", "aws_iam_role_policy", func(b *breaker) {
		b.edit("aws_iam_role_policy.invoke", "policy", ":live", ":*")
	}},
	"any key": {"wildcards", "aws_iam_role_policy", func(b *breaker) {
		b.edit(`module.fleet.aws_iam_role_policy.secrets["worker"]`, "policy", `11111111-2222-3333-4444-555555555555`, `*`)
	}},
	"network rights for the code too": {"wildcards", "aws_iam_role_policy", func(b *breaker) {
		b.edit("module.function.aws_iam_role_policy.vpc", "policy", "Deny", "Allow")
	}},
	"endpoint for anyone": {"wildcards", "aws_vpc_endpoint", func(b *breaker) {
		b.edit("aws_vpc_endpoint.interface", "policy", account, "999988887777")
	}},
	"key for a service of anyone": {"wildcards", "aws_kms_key", func(b *breaker) {
		b.edit("module.operations_key.aws_kms_key", "policy", `"Condition":{"StringEquals":{"aws:SourceAccount":"`+account+`"}},`, ``)
	}},

	"log for ever":       {"log groups", "aws_cloudwatch_log_group", func(b *breaker) { b.set("module.network.aws_cloudwatch_log_group", "retention_in_days", 0.0) }},
	"log made by Lambda": {"log groups", "aws_lambda_function", func(b *breaker) { b.drop("module.function.aws_cloudwatch_log_group") }},
	"log made by RDS":    {"log groups", "aws_rds_cluster", func(b *breaker) { b.drop("module.database.aws_cloudwatch_log_group") }},
	"unbounded function": {"concurrency", "aws_lambda_function", func(b *breaker) { b.set("aws_lambda_function.this", "reserved_concurrent_executions", -1.0) }},
	"Lambda retries":     {"concurrency", "aws_lambda_function", func(b *breaker) { b.set("aws_lambda_function_event_invoke_config", "maximum_retry_attempts", 2.0) }},
	"failures dropped":   {"concurrency", "aws_lambda_function", func(b *breaker) { b.set("aws_lambda_function_event_invoke_config", "destination_config", []any{}) }},
	"no alias":           {"concurrency", "aws_lambda_function", func(b *breaker) { b.drop("aws_lambda_alias") }},
	"alarm tells nobody": {"alarms", "budget", func(b *breaker) { b.set(`aws_cloudwatch_metric_alarm.this["budget"]`, "alarm_actions", []any{}) }},
	"alarm at 95 %":      {"alarms", "concurrency", func(b *breaker) { b.set(`aws_cloudwatch_metric_alarm.this["function-concurrency"]`, "threshold", 95.0) }},
	"late alarm": {"alarms", "errors", func(b *breaker) {
		b.set(`aws_cloudwatch_metric_alarm.this["function-errors"]`, "evaluation_periods", 5.0)
	}},
	"silence looks well": {"alarms", "backlog", func(b *breaker) {
		b.set(`aws_cloudwatch_metric_alarm.this["backlog-age"]`, "treat_missing_data", "ignore")
	}},
	"no picture":        {"alarms", "dashboard", func(b *breaker) { b.drop("aws_cloudwatch_dashboard") }},
	"passwords only":    {"database", "aws_rds_cluster", func(b *breaker) { b.set("aws_rds_cluster.this", "iam_database_authentication_enabled", false) }},
	"password in state": {"database", "aws_rds_cluster", func(b *breaker) { b.set("aws_rds_cluster.this", "master_password", "x") }},
	"backups for a day": {"database", "aws_rds_cluster", func(b *breaker) { b.set("aws_rds_cluster.this", "backup_retention_period", 1.0) }},
	"no last snapshot":  {"database", "aws_rds_cluster", func(b *breaker) { b.set("aws_rds_cluster.this", "skip_final_snapshot", true) }},
	"two of one name":   {"names", "aws_iam_role", func(b *breaker) { b.set("module.function.aws_iam_role.this", "name", "sage-worker") }},
}
