package notify

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"golang.org/x/text/unicode/norm"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// Topic publishes to a topic of Amazon SNS: the text of a message for people, and for programs
// its ID and data in the attributes sage-id and sage-data.
type Topic struct {
	client *sns.Client
	arn    string
}

// ValidateTopic refuses what is no topic's ARN.
func ValidateTopic(name string) error {
	parsed, err := arn.Parse(name)
	if err != nil || parsed.Service != "sns" || parsed.Region == "" || parsed.Resource == "" || strings.Contains(parsed.Resource, ":") {
		return fault.New(settings.CodeInvalid, "a topic is %.200q", name).
			Expecting("arn:aws:sns:REGION:ACCOUNT:NAME").Permanent()
	}
	return nil
}

// OpenTopic finds credentials as the AWS tools do. It connects to nothing yet.
func OpenTopic(ctx context.Context, name string) (*Topic, error) {
	if err := ValidateTopic(name); err != nil {
		return nil, err
	}
	parsed, err := arn.Parse(name)
	if err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(parsed.Region))
	if err != nil {
		return nil, fault.New(settings.CodeInvalid, "AWS's settings: %w", err)
	}
	// Who repeats is the caller.
	return &Topic{sns.NewFromConfig(cfg, func(o *sns.Options) { o.Retryer = aws.NopRetryer{} }), name}, nil
}

// Send publishes m. A topic of the kind FIFO drops what it gets twice within five minutes.
func (t *Topic) Send(ctx context.Context, m Message) error {
	data, err := json.Marshal(m.Data)
	if err != nil {
		return fault.New(CodeRefused, "SNS: %w", err).Permanent()
	}
	text := func(value string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
	}
	in := &sns.PublishInput{TopicArn: &t.arn, Message: &m.Text, Subject: aws.String(subject(m.Subject)),
		MessageAttributes: map[string]types.MessageAttributeValue{"sage-id": text(m.ID), "sage-data": text(string(data))}}
	if strings.HasSuffix(t.arn, ".fifo") {
		in.MessageGroupId, in.MessageDeduplicationId = aws.String("sage"), &m.ID
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err = t.client.Publish(ctx, in)
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*types.InvalidParameterException](err); ok { // about this message
		return fault.New(CodeRefused, "SNS: %w", err).Permanent()
	}
	if _, ok := errors.AsType[*types.InvalidParameterValueException](err); ok {
		return fault.New(CodeRefused, "SNS: %w", err).Permanent()
	}
	return fault.New(CodeUndelivered, "SNS: %w", err).
		Advise("check the topic, the network, the credentials and the right sns:Publish")
}

// subject is text as SNS takes it: printable ASCII, fewer than 100 characters.
func subject(text string) string {
	const most = 99
	var b strings.Builder
	for _, r := range norm.NFD.String(text) {
		switch {
		case b.Len() == most:
			return b.String()
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		case !unicode.Is(unicode.Mn, r):
			b.WriteByte('-')
		}
	}
	return b.String()
}
