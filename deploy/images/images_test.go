package images

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

func TestDockerfileKeepsTheRules(t *testing.T) {
	for _, fault := range lint(t, string(dockerfile)) {
		t.Error(fault)
	}
	found, err := All()
	want := []Image{{"nats", "nats-server"}, {"lambdalocal", "lambdalocal"}, {"sage", "sage"}, {"bridge", "bridge"}, {"worker", "worker"}}
	if err != nil || !slices.Equal(found, want) {
		t.Errorf("All = %v, %v; want %v", found, err, want)
	}
}

// TestRulesCatch breaks the Dockerfile in one way after the other.
func TestRulesCatch(t *testing.T) {
	for name, b := range map[string]struct{ rule, old, new string }{
		"any Go":            {"base", "golang:1.26.8-bookworm", "golang"},
		"latest":            {"base", "static-debian12:nonroot", "static-debian12:latest"},
		"another's base":    {"base", "FROM base AS sage", "FROM alpine:3.22 AS sage"},
		"older Go":          {"go", "golang:1.26.8", "golang:1.25.4"},
		"root":              {"user", "USER 65532:65532\n", ""},
		"root again":        {"user", "FROM base AS sage\n", "FROM base AS sage\nUSER 0\n"},
		"by name":           {"user", "USER 65532:65532", "USER nonroot"},
		"from the web":      {"add", "COPY . .", "ADD https://example.org/x.tar.gz ."},
		"the whole stage":   {"copy", "COPY --from=build /out/bin/sage /usr/local/bin/sage", "COPY --from=build /out/bin /usr/local/bin"},
		"sources shipped":   {"copy", "COPY --from=build /out/bin/sage /usr/local/bin/sage", "COPY . ."},
		"a shell":           {"entrypoint", `ENTRYPOINT ["/usr/local/bin/sage"]`, "ENTRYPOINT sage"},
		"nothing started":   {"entrypoint", `ENTRYPOINT ["/usr/local/bin/sage"]`, ""},
		"something missing": {"entrypoint", `ENTRYPOINT ["/usr/local/bin/sage"]`, `ENTRYPOINT ["/usr/local/bin/saga"]`},
		"commands at last":  {"run", "FROM base AS sage\n", "FROM base AS sage\nRUN [\"/x\"]\n"},
		"linked to C":       {"static", "CGO_ENABLED=0 ", ""},
		"another toolchain": {"static", " GOTOOLCHAIN=local", ""},
	} {
		if !strings.Contains(string(dockerfile), b.old) {
			t.Fatalf("%s: the Dockerfile has no %q", name, b.old)
		}
		faults := lint(t, strings.Replace(string(dockerfile), b.old, b.new, 1))
		if !slices.ContainsFunc(faults, func(f string) bool { return strings.HasSuffix(f, "(rule "+b.rule+")") }) {
			t.Errorf("%s: rule %s says nothing; the rules say %q", name, b.rule, faults)
		}
	}
}

var pinned = regexp.MustCompile(`^[a-z0-9./-]+(:[0-9][a-z0-9.-]*|:nonroot|@sha256:[0-9a-f]{64})$`)

// lint says what is wrong with a Dockerfile, each with its line and rule.
func lint(t *testing.T, text string) (faults []string) {
	t.Helper()
	stages, err := parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	report := func(rule string, i instruction, format string, args ...any) {
		faults = append(faults, fmt.Sprintf("line %d: %s (rule %s)", i.line, fmt.Sprintf(format, args...), rule))
	}
	bases := map[string]string{} // by the name of the argument
	for _, i := range stages[0].instructions {
		name, value, _ := strings.Cut(i.words[0], "=")
		bases["${"+name+"}"] = value
		if !pinned.MatchString(value) {
			report("base", i, "%s is %s; expected a version or a digest", name, value)
		}
	}
	if version, wants := strings.TrimPrefix(bases["${GO}"], "golang:"), goVersion(t); !strings.HasPrefix(version, wants) {
		report("go", instruction{}, "%s does not have Go %s, which go.mod wants", bases["${GO}"], wants)
	}
	user := map[string]string{}
	for _, s := range stages[1:] {
		from := s.instructions[0]
		_, ours := user[s.from]
		if bases[s.from] == "" && !ours {
			report("base", from, "%s is neither an argument nor a stage", s.from)
		}
		user[s.name] = user[s.from]
		if s.name == "build" {
			checkBuild(s, report)
			continue
		}
		brought, entrypoint := []string{}, []string(nil)
		for _, i := range s.instructions {
			switch i.name {
			case "USER":
				user[s.name] = i.words[0]
			case "ADD":
				report("add", i, "expected COPY")
			case "RUN":
				report("run", i, "there is nothing to run in an image without a shell")
			case "COPY":
				if !slices.ContainsFunc(i.flags, func(f string) bool { return f == "--from=build" }) {
					report("copy", i, "expected nothing but what was built")
				}
				if slices.Contains(i.words, "/out/bin") {
					report("copy", i, "expected the image's own programs")
				}
				for _, word := range i.words[:len(i.words)-1] {
					brought = append(brought, "/usr/local/bin/"+word[strings.LastIndexByte(word, '/')+1:])
				}
			case "ENTRYPOINT":
				entrypoint = i.words
				if !i.exec {
					report("entrypoint", i, "expected a JSON array: there is no shell")
				}
			}
		}
		if !regexp.MustCompile(`^[1-9][0-9]*:[1-9][0-9]*$`).MatchString(user[s.name]) {
			report("user", from, "%s runs as %q; expected two numbers other than 0, which Kubernetes can check", s.name, user[s.name])
		}
		if s.name != "base" && (len(entrypoint) != 1 || !slices.Contains(brought, entrypoint[0])) {
			report("entrypoint", from, "%s starts %q, and has %q", s.name, entrypoint, brought)
		}
	}
	return faults
}

func checkBuild(s stage, report func(rule string, i instruction, format string, args ...any)) {
	var variables []string
	for _, i := range s.instructions {
		switch i.name {
		case "ADD":
			report("add", i, "expected COPY")
		case "ENV":
			for n := 0; n+1 < len(i.words); n += 3 { // name, value, separator
				variables = append(variables, i.words[n]+"="+i.words[n+1])
			}
		}
	}
	for _, want := range []string{"CGO_ENABLED=0", "GOTOOLCHAIN=local"} {
		if !slices.Contains(variables, want) {
			report("static", s.instructions[0], "the build has no %s", want)
		}
	}
}

// goVersion is the language version in go.mod, such as 1.26.
func goVersion(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	file, err := modfile.ParseLax("go.mod", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(file.Go.Version, ".0")
}
