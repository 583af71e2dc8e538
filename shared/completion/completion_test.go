package completion_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/sagefleet/sagefleet/shared/completion"
)

// line is a command line like those of the fleet's programs.
type line struct {
	NATS    string `name:"nats" help:"A server."`
	Verbose bool   `short:"v" help:"Say more."`
	Hidden  string `hidden:""`
	Submit  struct {
		Config string   `arg:""`
		Data   []string `arg:""`
		Kind   string   `short:"k" enum:"cold,warm," default:"" help:"Of two\nlines."`
		Wait   bool     `short:"w"`
	} `cmd:"" help:"Submit files."`
	Dead struct {
		List struct{} `cmd:"" help:"List: all of them."`
		Show struct {
			ID string `arg:""`
		} `cmd:""`
	} `cmd:"" help:"Look at dead letters."`
	Secret     struct{}           `cmd:"" hidden:""`
	Completion completion.Command `cmd:"" help:"Complete."`
}

// TestMain is also the program that the shells ask.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "__complete" {
		completion.Answer(kong.Must(&line{}, kong.Name("toy")), os.Args[1:], os.Stdout)
		return
	}
	os.Exit(m.Run())
}

// cases are words after the program's name, and what the last could become.
var cases = map[string]struct {
	words []string
	want  []string
}{
	"commands":              {[]string{""}, []string{"submit", "dead", "completion"}},
	"a command":             {[]string{"su"}, []string{"submit"}},
	"after a flag":          {[]string{"-v", "su"}, []string{"submit"}},
	"after a value":         {[]string{"--nats", "submit", "de"}, []string{"dead"}},
	"after a joined value":  {[]string{"--nats=submit", "de"}, []string{"dead"}},
	"after one bash broke":  {[]string{"--nats", "=", "submit", "de"}, []string{"dead"}},
	"a command's":           {[]string{"dead", ""}, []string{"list", "show"}},
	"flags":                 {[]string{"--n"}, []string{"--nats"}},
	"all flags":             {[]string{"submit", "--"}, []string{"--kind", "--wait", "--help", "--nats", "--verbose"}},
	"values":                {[]string{"submit", "--kind", ""}, []string{"cold", "warm"}},
	"values of a short one": {[]string{"submit", "-k", "w"}, []string{"warm"}},
	"a joined value":        {[]string{"submit", "--kind=c"}, []string{"--kind=cold"}},
	"a value bash broke":    {[]string{"submit", "--kind", "="}, []string{"cold", "warm"}},
	"arguments are files":   {[]string{"submit", "a.yaml", "de"}, nil},
	"an argument's values":  {[]string{"completion", ""}, []string{"bash", "zsh", "fish"}},
	"no flags after --":     {[]string{"submit", "--", "--k"}, nil},
	"nonsense":              {[]string{"nonsense", "--unknown", "su"}, nil},
	"nothing":               {nil, []string{"submit", "dead", "completion"}},
}

func TestComplete(t *testing.T) {
	t.Parallel()
	k := kong.Must(&line{})
	for name, tt := range cases {
		var got []string
		for _, c := range completion.Complete(k.Model.Node, tt.words) {
			got = append(got, c.Text)
			if strings.ContainsAny(c.Help, "\n\t") {
				t.Errorf("%s: the help of %s is no line: %q", name, c.Text, c.Help)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestOnlyQuestionsAreAnswered(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if completion.Answer(kong.Must(&line{}), []string{"submit"}, &out) || completion.Answer(kong.Must(&line{}), nil, &out) || out.Len() > 0 {
		t.Errorf("answered %q", out.String())
	}
}

// asks are how each shell completes a line whose last word is being written. They print
// the candidates, one a line.
var asks = map[string]string{
	"bash": `COMP_WORDS=(toy "$@"); COMP_CWORD=$#; _toy_complete; printf '%s\n' "${COMPREPLY[@]}"`,
	// The rest of zsh's completion needs a terminal.
	"zsh":  `words=(toy "$@"); CURRENT=$(($# + 1)); _toy_complete`,
	"fish": `complete -C "toy $argv"`,
}

// Each shell itself loads its script and completes by it.
func TestShells(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "toy")); err != nil {
		t.Fatal(err)
	}
	for shell, question := range asks {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skipf("%s is needed to try its script", shell)
			}
			before := map[string]string{"zsh": `compdef() { :; }; _describe() { print -l -- ${${(P)2}%%:*}; }; _files() { :; }` + "\n"}[shell]
			for _, words := range [][]string{{""}, {"su"}, {"dead", ""}, {"submit", "--ki"}, {"submit", "-k", "w"}, {"dead", "li"}} {
				args := append([]string{"-c", before + completion.Script("toy", shell) + question}, words...)
				if shell != "fish" {
					args = slices.Insert(args, 2, shell) // what $0 is
				} else {
					args = append(args[:2], words...)
				}
				cmd := exec.CommandContext(t.Context(), path, args...)
				cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "HOME=" + t.TempDir()}
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%s: %v\n%s", words, err, out)
				}
				var got, want []string
				for one := range strings.Lines(string(out)) {
					text, _, _ := strings.Cut(strings.TrimSpace(one), "\t")
					got = append(got, text)
				}
				for _, c := range completion.Complete(kong.Must(&line{}).Model.Node, words) {
					want = append(want, c.Text)
				}
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("%s: %q, want %q", words, got, want)
				}
			}
		})
	}
}
