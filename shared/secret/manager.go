package secret

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
)

// managerPatience is how long all tries to get one secret may take.
const managerPatience = 10 * time.Second

// managed gets a secret, or one field of it, from AWS Secrets Manager. Region,
// credentials and endpoint are found as the AWS tools find them; an ARN says its
// region itself.
func managed(ctx context.Context, reference string) (string, error) {
	name, field, oneField := strings.Cut(reference, "#")
	if name == "" || oneField && field == "" {
		return "", unavailable("%s names no secret", schemeManager+reference).
			Expecting("%sNAME or %[1]sNAME#FIELD", schemeManager).Permanent()
	}
	ctx, cancel := context.WithTimeout(ctx, managerPatience)
	defer cancel()
	opts := []func(*config.LoadOptions) error{}
	if parsed, err := arn.Parse(name); err == nil {
		opts = append(opts, config.WithRegion(parsed.Region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return "", unavailable("get %s: %w", schemeManager+name, err)
	}
	out, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
	if err != nil {
		f := unavailable("get %s: %w", schemeManager+name, err).
			Advise("check its name and region, and the right secretsmanager:GetSecretValue of this component's role")
		if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorFault() == smithy.FaultClient {
			f = f.Permanent()
		}
		return "", f
	}
	value := aws.ToString(out.SecretString)
	if value == "" {
		value = string(out.SecretBinary)
	}
	if !oneField {
		return value, nil
	}
	// Errors of the decoder would quote what is there.
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(value), &fields) != nil {
		return "", unavailable("%s is no JSON object", schemeManager+name).Expecting("one with the field %s", field).Permanent()
	}
	var text string
	if json.Unmarshal(fields[field], &text) != nil || text == "" {
		return "", unavailable("%s has no text in the field %s", schemeManager+name, field).Permanent()
	}
	return text, nil
}
