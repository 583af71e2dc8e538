package terraform

import (
	"slices"
	"strings"
)

// checkOutcomes holds for the bucket of outcomes, which is the one whose policy names
// them; a stack without one has lost the commit point of the platform.
func checkOutcomes(s stack, report reporter) {
	found := false
	for _, bucket := range s.of("aws_s3_bucket") {
		policy, outcomes := s.about("aws_s3_bucket_policy", "bucket", bucket.text("bucket")).policy(), "arn:aws:s3:::"+bucket.text("bucket")+"/outcome/*"
		if !slices.ContainsFunc(policy.Statement, func(st statement) bool { return slices.Contains(st.Resource, outcomes) }) {
			continue
		}
		found = true
		if !slices.ContainsFunc(policy.Statement, func(st statement) bool { return st.createsOnly(outcomes) }) {
			report(bucket.Address, "an outcome can be put without If-None-Match by somebody besides the eraser")
		}
		for _, action := range []string{"s3:DeleteObject", "s3:DeleteObjectVersion"} {
			if !policy.denies(action, outcomes, "", "", "") {
				report(bucket.Address, "somebody may %s an outcome", action)
			}
		}
		if status := s.about("aws_s3_bucket_versioning", "bucket", bucket.text("bucket")).text("versioning_configuration.0.status"); status != "Enabled" {
			report(bucket.Address, "versioning is %q: what is overwritten is gone", status)
		}
	}
	if !found {
		report("aws_s3_bucket", "no bucket's policy protects outcomes")
	}
}

// createsOnly reports whether a statement denies everyone to put objects without
// If-None-Match, but for roles that are named one by one.
func (st statement) createsOnly(resource string) bool {
	if st.Effect != "Deny" || !st.Principal.everyone() || !slices.Contains(st.Action, "s3:PutObject") || !slices.Contains(st.Resource, resource) ||
		!slices.Equal(st.Condition["Null"]["s3:if-none-match"], oneOrMany{"true"}) {
		return false
	}
	for operator, keys := range st.Condition {
		for key, values := range keys {
			switch {
			case operator == "Null" && key == "s3:if-none-match":
			case operator == "ArnNotEquals" && key == "aws:PrincipalArn" && !slices.ContainsFunc(values, func(arn string) bool {
				return strings.Contains(arn, "*") || !strings.HasSuffix(arn, "-eraser")
			}):
			default:
				return false
			}
		}
	}
	return true
}

// checkLifecycle: inputs and attempts expire, outcomes never.
func checkLifecycle(s stack, report reporter) {
	for _, bucket := range s.of("aws_s3_bucket") {
		rules := s.about("aws_s3_bucket_lifecycle_configuration", "bucket", bucket.text("bucket")).items("rule")
		if len(rules) == 0 {
			report(bucket.Address, "has no lifecycle: old versions and cut uploads are kept, and paid, for ever")
		}
		if !slices.ContainsFunc(rules, func(r *resource) bool { return r.number("noncurrent_version_expiration.0.noncurrent_days") >= 1 }) {
			report(bucket.Address, "old versions are kept for ever: what was erased is not gone")
		}
		if !s.holdsOutcomes(bucket) {
			continue
		}
		for _, prefix := range []string{"inputs/", "attempts/"} {
			if !slices.ContainsFunc(rules, func(r *resource) bool {
				return r.text("filter.0.prefix") == prefix && r.number("expiration.0.days") == 30 && r.text("status") == "Enabled"
			}) {
				report(bucket.Address, "%s does not expire after 30 days", prefix)
			}
		}
		for _, r := range rules {
			if prefix := r.text("filter.0.prefix"); r.number("expiration.0.days") > 0 && (strings.HasPrefix("outcome/", prefix) || strings.HasPrefix(prefix, "outcome/")) {
				report(bucket.Address, "rule %s expires outcomes", r.text("id"))
			}
		}
	}
}

func (s stack) holdsOutcomes(bucket resource) bool {
	policy := s.about("aws_s3_bucket_policy", "bucket", bucket.text("bucket")).policy()
	return slices.ContainsFunc(policy.Statement, func(st statement) bool {
		return slices.Contains(st.Resource, "arn:aws:s3:::"+bucket.text("bucket")+"/outcome/*")
	})
}

// checkAccessLog: access to every bucket is logged, but for those that hold the log.
// A trail, where there is one, records access to objects and can't be forged.
func checkAccessLog(s stack, report reporter) {
	for _, bucket := range s.of("aws_s3_bucket") {
		name := bucket.text("bucket")
		logging := s.about("aws_s3_bucket_logging", "bucket", name)
		if logging == nil && s.about("aws_s3_bucket_logging", "target_bucket", name) == nil {
			report(bucket.Address, "nobody logs who reads it")
		}
		target := s.about("aws_s3_bucket_policy", "bucket", logging.text("target_bucket")).policy()
		if logging != nil && !slices.ContainsFunc(target.Statement, func(st statement) bool {
			return st.Effect == "Allow" && slices.Contains(st.Principal["Service"], "logging.s3.amazonaws.com") &&
				slices.Contains(st.Condition["ArnEquals"]["aws:SourceArn"], "arn:aws:s3:::"+name)
		}) {
			report(bucket.Address, "its log may not be delivered to %s", logging.text("target_bucket"))
		}
	}
	for _, trail := range s.of("aws_cloudtrail") {
		if !trail.yes("enable_log_file_validation") {
			report(trail.Address, "its files can be changed unseen")
		}
		for _, bucket := range s.of("aws_s3_bucket") {
			if s.holdsOutcomes(bucket) && !trail.records("arn:aws:s3:::"+bucket.text("bucket")+"/") {
				report(trail.Address, "does not record access to %s", bucket.text("bucket"))
			}
		}
	}
}

// records reports whether a trail has the data events of all objects under an ARN.
func (r *resource) records(objects string) bool {
	for _, selector := range r.items("advanced_event_selector") {
		matched, others := 0, 0
		for _, field := range selector.items("field_selector") {
			switch {
			case field.text("field") == "eventCategory" && field.text("equals.0") == "Data",
				field.text("field") == "resources.type" && field.text("equals.0") == "AWS::S3::Object",
				field.text("field") == "resources.ARN" && field.text("starts_with.0") == objects:
				matched++
			default:
				others++
			}
		}
		if matched == 3 && others == 0 {
			return true
		}
	}
	return false
}

func checkDatabase(s stack, report reporter) {
	for _, cluster := range s.of("aws_rds_cluster") {
		if !cluster.yes("iam_database_authentication_enabled") {
			report(cluster.Address, "components can't log in with IAM")
		}
		if !cluster.yes("manage_master_user_password") || cluster.text("master_password") != "" {
			report(cluster.Address, "the master password is in the state")
		}
		if days := cluster.number("backup_retention_period"); days < 7 {
			report(cluster.Address, "backups are kept for %v days, expected 7 or more", days)
		}
		if cluster.yes("skip_final_snapshot") {
			report(cluster.Address, "can be destroyed without a last snapshot")
		}
		if !slices.Contains(cluster.list("enabled_cloudwatch_logs_exports"), any("postgresql")) {
			report(cluster.Address, "its log is not kept")
		}
	}
}
