package terraform

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// excuse is a wildcard that can't be narrowed, and why.
type excuse struct{ resource, attribute, sid, reason string }

// excuses are all the wildcards there may be besides objects under a prefix and
// streams of a log group. Each must be needed.
var excuses = []excuse{
	{"aws_kms_key", "policy", "AccountDecidesByIAM", "the key's own policy: without it nobody could ever change it; * is this key"},
	{"aws_kms_key", "policy", "Service", "the key's own policy: * is this key"},
	{"aws_vpc_endpoint", "policy", "OwnAccount", "whose calls pass is said here, which by the roles; narrowed to the account"},
	{"aws_iam_role_policy", "policy", "NetworkInterfaces", "Lambda refuses a function in a VPC otherwise; the code inside is denied the same"},
}

// narrow are resources with a * that stands for objects under one prefix, or for the
// streams of one log group.
var narrow = regexp.MustCompile(`^arn:aws:(s3:::[a-z0-9-]+/([a-z]+/|AWSLogs/[0-9]{12}/)\*|logs:[a-z0-9-]+:[0-9]{12}:log-group:[A-Za-z0-9/_-]+:\*)$`)

// wildcards are what is too wide in a statement that allows.
func (st statement) wildcards() []string {
	if st.Effect != "Allow" {
		return nil
	}
	var wide []string
	for _, action := range st.Action {
		if strings.Contains(action, "*") {
			wide = append(wide, "action "+action)
		}
	}
	for _, resource := range st.Resource {
		if strings.Contains(resource, "*") && !narrow.MatchString(resource) {
			wide = append(wide, "resource "+resource)
		}
	}
	if len(st.Action) == 0 || slices.Contains(st.Principal["AWS"], "*") && len(st.Condition) == 0 && len(st.Resource) == 0 {
		wide = append(wide, "no action, or everyone on everything")
	}
	return wide
}

func checkWildcards(s stack, report reporter) {
	for _, r := range s.resources {
		documents, err := r.documents()
		if err != nil {
			report(r.Address, "%v", err)
		}
		if len(documents) == 0 && slices.Contains([]string{"aws_iam_role", "aws_iam_role_policy", "aws_s3_bucket_policy"}, r.Type) {
			report(r.Address, "its policy can't be read")
		}
		for attribute, d := range documents {
			for _, st := range d.Statement {
				wide := st.wildcards()
				excused := slices.ContainsFunc(excuses, func(e excuse) bool { return e.fits(r, attribute, st) })
				if r.Type == "aws_vpc_endpoint" && st.Sid == "KnownBuckets" {
					wide = slices.DeleteFunc(wide, func(w string) bool { return strings.HasSuffix(w, "/*") }) // all objects of the buckets named
				}
				if strings.HasSuffix(r.text("service_name"), ".email-smtp") {
					wide = nil // it takes no policy, and has the one that AWS gives to such: SMTP asks for a password
				}
				if len(wide) > 0 && !excused {
					report(r.Address, "%s, statement %q: %s", attribute, st.Sid, strings.Join(wide, ", "))
				}
			}
		}
	}
}

func (e excuse) fits(r resource, attribute string, st statement) bool {
	if e.resource != r.Type || e.attribute != attribute || !strings.HasPrefix(st.Sid, e.sid) {
		return false
	}
	switch r.Type {
	case "aws_vpc_endpoint":
		return slices.Equal(st.Condition["StringEquals"]["aws:PrincipalAccount"], oneOrMany{account})
	case "aws_iam_role_policy":
		denied := slices.ContainsFunc(r.policy().Statement, func(other statement) bool {
			return other.Effect == "Deny" && slices.Equal(other.Action, st.Action) && len(other.Condition["ArnEquals"]["lambda:SourceFunctionArn"]) == 1
		})
		return denied && !slices.ContainsFunc(st.Action, func(action string) bool { return strings.Contains(action, "*") })
	case "aws_kms_key":
		return st.Sid == "AccountDecidesByIAM" || len(st.Condition) == 1 && !slices.ContainsFunc(st.Action, func(action string) bool { return strings.Contains(action, "*") })
	}
	return false
}

func checkLogGroups(s stack, report reporter) {
	for _, group := range s.of("aws_cloudwatch_log_group") {
		if group.number("retention_in_days") < 1 {
			report(group.Address, "is kept for ever")
		}
	}
	for _, function := range s.of("aws_lambda_function") {
		if s.about("aws_cloudwatch_log_group", "name", function.text("logging_config.0.log_group")) == nil {
			report(function.Address, "logs to a group that Lambda makes: without an end and without a key")
		}
	}
	for _, cluster := range s.of("aws_rds_cluster") {
		for _, kind := range cluster.list("enabled_cloudwatch_logs_exports") {
			if s.about("aws_cloudwatch_log_group", "name", fmt.Sprintf("/aws/rds/cluster/%s/%s", cluster.text("cluster_identifier"), kind)) == nil {
				report(cluster.Address, "logs to a group that RDS makes: without an end and without a key")
			}
		}
	}
}

func checkConcurrency(s stack, report reporter) {
	for _, function := range s.of("aws_lambda_function") {
		name := function.text("function_name")
		if function.number("reserved_concurrent_executions") < 1 {
			report(function.Address, "has no reserved concurrency: it can starve the account, or the account it")
		}
		if s.about("aws_lambda_alias", "function_name", name) == nil {
			report(function.Address, "has no alias")
		}
		events := s.about("aws_lambda_function_event_invoke_config", "function_name", name)
		if events == nil || events.number("maximum_retry_attempts") != 0 {
			report(function.Address, "Lambda retries by itself, beside the queue")
		}
		if events.text("destination_config.0.on_failure.0.destination") == "" {
			report(function.Address, "asynchronous invocations that fail are dropped without a trace")
		}
	}
}

// alarmRow is an alarm that must be there.
type alarmRow struct {
	name, metric string
	above        func(stack) float64
	within       float64 // seconds until it is raised, at most
}

func exactly(n float64) func(stack) float64 { return func(stack) float64 { return n } }

var alarmRows = []alarmRow{
	{"errors of the function", "Errors", exactly(5), 300},
	{"duration of the function", "Duration", exactly(600_000), 300},
	{"concurrency of the function", "ConcurrentExecutions", func(s stack) float64 {
		for _, function := range s.of("aws_lambda_function") {
			return float64(int(0.9 * function.number("reserved_concurrent_executions")))
		}
		return 0
	}, 300},
	{"age of the backlog", "sage_queue_head_age_seconds", exactly(600), 300},
	{"dead letters", "sage_executions_dead_total", exactly(0), 300},
	{"budget", "sage_budget_used_ratio", exactly(0.8), 300},
	{"failed invocations", "ApproximateNumberOfMessagesVisible", exactly(0), 300},
	{"throttling", "Throttles", exactly(0), 900},
}

func checkAlarms(s stack, report reporter) {
	topics := map[string]bool{}
	for _, topic := range s.of("aws_sns_topic") {
		topics[topic.text("arn")] = true
	}
	for _, row := range alarmRows {
		alarm := s.about("aws_cloudwatch_metric_alarm", "metric_name", row.metric)
		switch after := alarm.number("period") * alarm.number("evaluation_periods"); {
		case alarm == nil:
			report("aws_cloudwatch_metric_alarm", "nobody is told of: %s", row.name)
		case alarm.number("threshold") != row.above(s) || alarm.text("comparison_operator") != "GreaterThanThreshold":
			report(alarm.Address, "%s: %s %v, expected more than %v", row.name, alarm.text("comparison_operator"), alarm.number("threshold"), row.above(s))
		case after > row.within:
			report(alarm.Address, "%s: raised after %v s, expected %v", row.name, after, row.within)
		case !topics[alarm.text("alarm_actions.0")] || alarm.at("actions_enabled") == false:
			report(alarm.Address, "%s: tells no topic of this stack", row.name)
		}
	}
	if age := s.about("aws_cloudwatch_metric_alarm", "metric_name", "sage_queue_head_age_seconds"); age != nil && age.text("treat_missing_data") != "breaching" {
		report(age.Address, "a fleet that measures nothing looks healthy")
	}
	for _, title := range []string{"Where executions ended", "Processing time", "Success rate", "Cost of Lambda"} {
		if !slices.ContainsFunc(s.of("aws_cloudwatch_dashboard"), func(d resource) bool { return strings.Contains(d.text("dashboard_body"), title) }) {
			report("aws_cloudwatch_dashboard", "no picture of: %s", title)
		}
	}
}
