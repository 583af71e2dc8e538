package storage

import (
	"context"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Open opens the store that rawURL names:
//
//	file:///srv/sage          a directory, created if it is missing
//	s3://bucket/prefix        a bucket, or what lies under a prefix in it
//
// S3 takes these parameters; the rest, credentials included, comes from the AWS
// SDK's default chain:
//
//	region=eu-central-1       where the bucket is
//	endpoint=https://host     a server other than Amazon's
//	path_style=true           the bucket's name in the path instead of the host
//	sse_kms_key_id=…          encrypt new objects under this KMS key
//
// A store that cannot be listed is refused here rather than at its first use.
func Open(ctx context.Context, rawURL string) (Store, error) {
	loc, err := parse(rawURL)
	if err != nil {
		return nil, err
	}
	if loc.scheme == "file" {
		return openDir(loc)
	}
	return openS3(ctx, loc)
}

// bucketName is what Amazon allows for general purpose buckets.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// location is a parsed store URL.
type location struct {
	scheme    string // file or s3
	path      string // of the directory; absolute, clean
	bucket    string
	prefix    string // clean, without slashes at its ends; may be empty
	region    string
	endpoint  string
	pathStyle bool
	kmsKeyID  string
}

func parse(rawURL string) (location, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		// url.Error repeats the whole URL, which may hold a password.
		return location{}, invalidURL("the store's URL cannot be parsed")
	}
	query, err := url.ParseQuery(u.RawQuery)
	switch {
	case err != nil:
		return location{}, invalidURL("the store's URL has a malformed query")
	case u.User != nil:
		return location{}, invalidURL("the store's URL holds credentials")
	case u.Fragment != "" || u.Opaque != "":
		return location{}, invalidURL("%q is not a store's URL", rawURL)
	case u.Scheme == "file":
		return parseFile(u, query)
	case u.Scheme == "s3":
		return parseS3(u, query)
	}
	return location{}, invalidURL("%q has the scheme %q", rawURL, u.Scheme)
}

func parseFile(u *url.URL, query url.Values) (location, error) {
	switch {
	case u.Host != "":
		return location{}, invalidURL("%q names the host %q", u, u.Host)
	case !path.IsAbs(u.Path) || strings.ContainsRune(u.Path, 0):
		return location{}, invalidURL("%q names no absolute path", u)
	case len(query) > 0:
		return location{}, invalidURL("%q has parameters, a directory takes none", u)
	}
	return location{scheme: "file", path: path.Clean(u.Path)}, nil
}

func parseS3(u *url.URL, query url.Values) (location, error) {
	if !bucketName.MatchString(u.Host) {
		return location{}, invalidURL("%q names no bucket", u)
	}
	loc := location{scheme: "s3", bucket: u.Host, prefix: strings.Trim(u.Path, "/")}
	if loc.prefix != "" {
		if err := checkKey(loc.prefix); err != nil {
			return location{}, invalidURL("the prefix of %q: %w", u, err)
		}
	}
	for name, values := range query {
		if len(values) != 1 || values[0] == "" {
			return location{}, invalidURL("%q: parameter %q needs one value", u, name)
		}
		if err := loc.set(name, values[0]); err != nil {
			return location{}, err
		}
	}
	return loc, nil
}

func (l *location) set(name, value string) error {
	switch name {
	case "region":
		l.region = value
	case "endpoint":
		e, err := url.Parse(value)
		if err != nil || e.Host == "" || e.User != nil || (e.Scheme != "http" && e.Scheme != "https") {
			return invalidURL("parameter %q is no http or https URL", name)
		}
		l.endpoint = value
	case "path_style":
		on, err := strconv.ParseBool(value)
		if err != nil {
			return invalidURL("parameter %q is %q", name, value)
		}
		l.pathStyle = on
	case "sse_kms_key_id":
		l.kmsKeyID = value
	default:
		return invalidURL("unknown parameter %q", name)
	}
	return nil
}

// String returns the URL that parses to l.
func (l location) String() string {
	if l.scheme == "file" {
		return (&url.URL{Scheme: "file", Path: l.path}).String()
	}
	query := url.Values{}
	for name, value := range map[string]string{
		"region": l.region, "endpoint": l.endpoint, "sse_kms_key_id": l.kmsKeyID,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if l.pathStyle {
		query.Set("path_style", "true")
	}
	u := url.URL{Scheme: "s3", Host: l.bucket, RawQuery: query.Encode()}
	if l.prefix != "" {
		u.Path = "/" + l.prefix
	}
	return u.String()
}

func invalidURL(format string, args ...any) error {
	return fault.New(CodeURLInvalid, format, args...).
		Expecting("file:///directory or s3://bucket/prefix?region=…&endpoint=…&path_style=true&sse_kms_key_id=…").
		Advise("credentials come from the environment, never from the URL").
		Permanent()
}
