package terraform

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// violation is one break of one rule by one resource.
type violation struct{ rule, at, what string }

func (v violation) String() string { return fmt.Sprintf("%s: %s (rule %q)", v.at, v.what, v.rule) }

type reporter func(at, format string, args ...any)

// rules are the policies that every stack is held against.
var rules = map[string]func(stack, reporter){
	"encryption":  checkEncryption,
	"public":      checkPublic,
	"tls":         checkTLS,
	"outcomes":    checkOutcomes,
	"lifecycle":   checkLifecycle,
	"access log":  checkAccessLog,
	"wildcards":   checkWildcards,
	"log groups":  checkLogGroups,
	"concurrency": checkConcurrency,
	"alarms":      checkAlarms,
	"database":    checkDatabase,
	"names":       checkNames,
}

// check applies every rule to s.
func check(s stack) []violation {
	var found []violation
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		rules[name](s, func(at, format string, args ...any) {
			found = append(found, violation{name, at, fmt.Sprintf(format, args...)})
		})
	}
	return found
}

// keyed are the attributes that say under which key a type keeps what it holds.
var keyed = map[string][]string{
	"aws_cloudtrail":            {"kms_key_id"},
	"aws_cloudwatch_log_group":  {"kms_key_id"},
	"aws_lambda_function":       {"kms_key_arn"},
	"aws_rds_cluster":           {"kms_key_id", "master_user_secret_kms_key_id"},
	"aws_rds_cluster_instance":  {"performance_insights_kms_key_id"},
	"aws_secretsmanager_secret": {"kms_key_id"},
	"aws_sns_topic":             {"kms_master_key_id"},
	"aws_sqs_queue":             {"kms_master_key_id"},
}

// holdsNothing are the types that keep nothing of anybody's. One that is in neither
// table is judged before it is used.
var holdsNothing = []string{
	"aws_budgets_budget", "aws_cloudwatch_dashboard", "aws_cloudwatch_metric_alarm", "aws_db_subnet_group",
	"aws_default_security_group", "aws_flow_log", "aws_iam_instance_profile", "aws_iam_role", "aws_iam_role_policy",
	"aws_kms_alias", "aws_lambda_alias", "aws_lambda_function_event_invoke_config", "aws_lambda_permission",
	"aws_lambda_provisioned_concurrency_config", "aws_rds_cluster_parameter_group", "aws_route_table",
	"aws_route_table_association", "aws_s3_bucket_lifecycle_configuration", "aws_s3_bucket_logging",
	"aws_s3_bucket_ownership_controls", "aws_s3_bucket_policy", "aws_s3_bucket_public_access_block",
	"aws_s3_bucket_server_side_encryption_configuration", "aws_s3_bucket_versioning", "aws_secretsmanager_secret_rotation",
	"aws_security_group", "aws_sns_topic_policy", "aws_sns_topic_subscription", "aws_sqs_queue_policy", "aws_subnet",
	"aws_vpc", "aws_vpc_endpoint", "aws_vpc_security_group_egress_rule", "aws_vpc_security_group_ingress_rule",
}

func checkEncryption(s stack, report reporter) {
	keys := map[string]bool{}
	for _, key := range s.of("aws_kms_key") {
		keys[key.text("arn")] = true
		if !key.yes("enable_key_rotation") {
			report(key.Address, "the key is never rotated")
		}
	}
	for _, r := range s.resources {
		attributes, known := keyed[r.Type]
		if !known && !slices.Contains(holdsNothing, r.Type) && r.Type != "aws_s3_bucket" && r.Type != "aws_kms_key" {
			report(r.Address, "nobody has said whether a %s holds anything: add it to keyed or to holdsNothing", r.Type)
		}
		for _, attribute := range attributes {
			if !keys[r.text(attribute)] {
				report(r.Address, "%s is %q, no key of this stack", attribute, r.text(attribute))
			}
		}
	}
	for _, cluster := range s.of("aws_rds_cluster") {
		if !cluster.yes("storage_encrypted") {
			report(cluster.Address, "the storage is not encrypted")
		}
	}
	for _, bucket := range s.of("aws_s3_bucket") {
		config := s.about("aws_s3_bucket_server_side_encryption_configuration", "bucket", bucket.text("bucket"))
		const by = "rule.0.apply_server_side_encryption_by_default.0."
		switch algorithm := config.text(by + "sse_algorithm"); {
		case algorithm == "AES256" && s.about("aws_s3_bucket_logging", "target_bucket", bucket.text("bucket")) != nil:
			// Access logs are delivered to no other kind of bucket.
		case algorithm != "aws:kms" || !keys[config.text(by+"kms_master_key_id")]:
			report(bucket.Address, "encrypted by %q under %q, no key of this stack", algorithm, config.text(by+"kms_master_key_id"))
		}
	}
}

func checkPublic(s stack, report reporter) {
	for _, bucket := range s.of("aws_s3_bucket") {
		name := bucket.text("bucket")
		block := s.about("aws_s3_bucket_public_access_block", "bucket", name)
		for _, what := range []string{"block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"} {
			if !block.yes(what) {
				report(bucket.Address, "%s is off", what)
			}
		}
		if owner := s.about("aws_s3_bucket_ownership_controls", "bucket", name).text("rule.0.object_ownership"); owner != "BucketOwnerEnforced" {
			report(bucket.Address, "access lists are in force: ownership is %q", owner)
		}
	}
	for _, r := range s.resources {
		switch r.Type {
		case "aws_internet_gateway", "aws_nat_gateway", "aws_eip", "aws_lambda_function_url", "aws_route":
			report(r.Address, "a way to or from the internet")
		case "aws_lambda_permission":
			if r.text("source_arn") == "" || r.text("principal") == "*" {
				report(r.Address, "lets others invoke a function than the resource that it is for")
			}
		case "aws_subnet":
			if r.yes("map_public_ip_on_launch") {
				report(r.Address, "machines get public addresses")
			}
		case "aws_rds_cluster_instance":
			if r.yes("publicly_accessible") {
				report(r.Address, "the database has a public address")
			}
		case "aws_default_security_group":
			if len(r.list("ingress"))+len(r.list("egress")) > 0 {
				report(r.Address, "the default group lets something through")
			}
		case "aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule":
			if r.text("referenced_security_group_id") == "" && r.text("prefix_list_id") == "" {
				report(r.Address, "opens to addresses, not to a group or a service")
			}
		case "aws_security_group":
			if len(r.list("ingress"))+len(r.list("egress")) > 0 && r.at("ingress.0.cidr_blocks") != nil {
				report(r.Address, "has rules inside; they belong in resources of their own")
			}
		}
		documents, err := r.documents()
		if err != nil {
			report(r.Address, "%v", err)
		}
		for attribute, d := range documents {
			for _, st := range d.Statement {
				if st.Effect == "Allow" && st.Principal.everyone() && len(st.Condition["StringEquals"]["aws:PrincipalAccount"]) == 0 && r.Type != "aws_vpc_endpoint" {
					report(r.Address, "%s allows everyone %v", attribute, st.Action)
				}
			}
		}
	}
}

func checkTLS(s stack, report reporter) {
	const operator, key, value = "Bool", "aws:SecureTransport", "false"
	for _, bucket := range s.of("aws_s3_bucket") {
		policy, arn := s.about("aws_s3_bucket_policy", "bucket", bucket.text("bucket")).policy(), "arn:aws:s3:::"+bucket.text("bucket")
		if !policy.denies("s3:*", arn, operator, key, value) || !policy.denies("s3:*", arn+"/*", operator, key, value) {
			report(bucket.Address, "its policy doesn't refuse requests without TLS")
		}
	}
	for _, queue := range s.of("aws_sqs_queue") {
		if !s.anyDenies("aws_sqs_queue_policy", "sqs:*", ":"+queue.text("name"), operator, key, value) {
			report(queue.Address, "its policy doesn't refuse requests without TLS")
		}
	}
	for _, topic := range s.of("aws_sns_topic") {
		if !s.anyDenies("aws_sns_topic_policy", "sns:Publish", ":"+topic.text("name"), operator, key, value) {
			report(topic.Address, "its policy doesn't refuse requests without TLS")
		}
	}
	for _, cluster := range s.of("aws_rds_cluster") {
		parameters := s.about("aws_rds_cluster_parameter_group", "name", cluster.text("db_cluster_parameter_group_name"))
		if !slices.ContainsFunc(parameters.items("parameter"), func(p *resource) bool {
			return p.text("name") == "rds.force_ssl" && p.text("value") == "1"
		}) {
			report(cluster.Address, "takes connections without TLS: rds.force_ssl is not 1")
		}
	}
}

// anyDenies reports whether a policy of the type denies so, for the resource whose
// ARN ends so.
func (s stack) anyDenies(kind, action, suffix, operator, key, value string) bool {
	return slices.ContainsFunc(s.of(kind), func(r resource) bool {
		policy := r.policy()
		return slices.ContainsFunc(policy.Statement, func(st statement) bool {
			return len(st.Resource) == 1 && strings.HasSuffix(st.Resource[0], suffix) && policy.denies(action, st.Resource[0], operator, key, value)
		})
	})
}

// checkNames holds for whatever AWS tells apart by name: the plan of a clash is fine,
// its apply is not.
func checkNames(s stack, report reporter) {
	naming := map[string]string{
		"aws_cloudwatch_log_group": "name", "aws_iam_instance_profile": "name", "aws_iam_role": "name", "aws_kms_alias": "name",
		"aws_lambda_function": "function_name", "aws_s3_bucket": "bucket", "aws_security_group": "name",
		"aws_sns_topic": "name", "aws_sqs_queue": "name",
	}
	seen := map[string]string{}
	for _, r := range s.resources {
		name := r.text(naming[r.Type])
		if name == "" {
			continue
		}
		id := r.Type + " " + name
		if other, taken := seen[id]; taken {
			report(r.Address, "is called %q, as %s is", name, other)
		}
		seen[id] = r.Address
	}
}
