package terraform

import (
	"encoding/json"
	"fmt"
	"slices"
)

// document is a policy in IAM's language.
type document struct {
	Statement []statement
}

type statement struct {
	Sid       string
	Effect    string
	Principal principal
	Action    oneOrMany
	Resource  oneOrMany
	Condition map[string]map[string]oneOrMany
}

// oneOrMany is a list that may be written as its only element.
type oneOrMany []string

func (o *oneOrMany) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*o = oneOrMany{one}
		return nil
	}
	var many []string
	err := json.Unmarshal(text, &many)
	*o = many
	return err
}

// principal is who a statement is about, by kind. "*" stands for {"AWS": "*"}.
type principal map[string]oneOrMany

func (p *principal) UnmarshalJSON(text []byte) error {
	var everyone string
	if json.Unmarshal(text, &everyone) == nil {
		*p = principal{"AWS": {everyone}}
		return nil
	}
	var kinds map[string]oneOrMany
	err := json.Unmarshal(text, &kinds)
	*p = kinds
	return err
}

func (p principal) everyone() bool { return slices.Contains(p["AWS"], "*") }

// policyAttributes are where resources keep documents. Buckets, queues, topics and
// secrets only repeat there what a resource of its own says.
var policyAttributes = []string{"policy", "assume_role_policy"}

var repeaters = []string{"aws_s3_bucket", "aws_secretsmanager_secret", "aws_sns_topic", "aws_sqs_queue"}

// documents are the policies of a resource, by attribute.
func (r *resource) documents() (map[string]document, error) {
	found := map[string]document{}
	for _, attribute := range policyAttributes {
		text := r.text(attribute)
		if text == "" || slices.Contains(repeaters, r.Type) {
			continue
		}
		var d document
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			return nil, fmt.Errorf("%s.%s is no policy: %w", r.Address, attribute, err)
		}
		found[attribute] = d
	}
	return found, nil
}

// policy is the document of attribute policy, empty when there is none.
func (r *resource) policy() document {
	if r == nil {
		return document{}
	}
	found, err := r.documents()
	if err != nil {
		return document{}
	}
	return found["policy"]
}

// denies reports whether a statement denies everyone the action on the resource when
// the condition holds, and under no other condition.
func (d document) denies(action, resource, operator, key, value string) bool {
	return slices.ContainsFunc(d.Statement, func(s statement) bool {
		return s.Effect == "Deny" && s.Principal.everyone() && slices.Contains(s.Action, action) && slices.Contains(s.Resource, resource) &&
			(operator == "" && len(s.Condition) == 0 || len(s.Condition) == 1 && slices.Equal(s.Condition[operator][key], oneOrMany{value}))
	})
}
