// Package completion completes the fleet's commands in a shell: bash, zsh and fish.
//
// The shells know nothing of commands and flags. What [Command] prints has them ask the
// program itself, which [Answer] answers of its own command line. So a script is as good
// for the next release.
package completion

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// ask is how a shell's script asks a program: this, and then the words after the
// program's name, the last of which is being written.
const ask = "__complete"

// Candidate is what a word could become.
type Candidate struct{ Text, Help string }

// Answer writes the candidates to w, one a line with its help after a tab, if args are a
// shell's question, and reports whether they are.
func Answer(k *kong.Kong, args []string, w io.Writer) bool {
	if len(args) == 0 || args[0] != ask {
		return false
	}
	for _, c := range Complete(k.Model.Node, args[1:]) {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", c.Text, c.Help)
	}
	return true
}

// Complete returns what the last of words could become, on the command line of root. None
// means a file, or anything at all.
func Complete(root *kong.Node, words []string) []Candidate {
	if len(words) == 0 {
		words = []string{""}
	}
	at := place{node: root}
	for _, word := range words[:len(words)-1] {
		at.pass(word)
	}
	return at.complete(words[len(words)-1])
}

// place is where on a command line a word stands.
type place struct {
	node       *kong.Node
	flag       *kong.Flag // whose value comes next
	positional int        // how many came since the command
	raw        bool       // after --, where nothing is a flag
}

// pass goes on after a word.
func (p *place) pass(word string) {
	switch {
	case word == "=": // bash takes --flag=value for three words
		return
	case p.flag != nil:
		p.flag = nil
	case p.raw || !strings.HasPrefix(word, "-") || word == "-":
		p.enter(word)
	case word == "--":
		p.raw = true
	default:
		name, _, valued := strings.Cut(word, "=")
		if f := p.find(name); f != nil && !valued && !f.IsBool() && !f.IsCounter() {
			p.flag = f
		}
	}
}

// enter goes on in a command, or after an argument of it.
func (p *place) enter(word string) {
	for _, child := range p.commands() {
		if child.Name == word {
			p.node, p.positional = child, 0
			return
		}
	}
	p.positional++
}

// commands are those that may come here; none after an argument.
func (p *place) commands() (all []*kong.Node) {
	if p.positional > 0 {
		return nil
	}
	for _, child := range p.node.Children {
		if child.Type == kong.CommandNode && !child.Hidden {
			all = append(all, child)
		}
	}
	return all
}

// find is the flag that is written so: --name or -n.
func (p *place) find(name string) *kong.Flag {
	for _, f := range p.flags() {
		if name == "--"+f.Name || f.Short != 0 && name == "-"+string(f.Short) {
			return f
		}
	}
	return nil
}

// flags are those of the command and of all above it.
func (p *place) flags() (all []*kong.Flag) {
	for n := p.node; n != nil; n = n.Parent {
		for _, f := range n.Flags {
			if !f.Hidden {
				all = append(all, f)
			}
		}
	}
	return all
}

func (p *place) complete(word string) []Candidate {
	if word == "=" {
		word = ""
	}
	if p.flag != nil {
		return values(p.flag.Value, "", word)
	}
	if strings.HasPrefix(word, "-") && !p.raw {
		name, value, valued := strings.Cut(word, "=")
		if f := p.find(name); valued && f != nil {
			return values(f.Value, name+"=", value)
		}
		return p.flagNames(word)
	}
	var found []Candidate
	for _, child := range p.commands() {
		found = add(found, child.Name, child.Help, word)
	}
	if p.positional < len(p.node.Positional) {
		found = append(found, values(p.node.Positional[p.positional], "", word)...)
	}
	return found
}

func (p *place) flagNames(word string) (found []Candidate) {
	for _, f := range p.flags() {
		found = add(found, "--"+f.Name, f.Help, word)
	}
	return found
}

// values are those that v may have, where only some are allowed.
func values(v *kong.Value, prefix, word string) (found []Candidate) {
	if v.Enum == "" {
		return nil
	}
	for _, one := range v.EnumSlice() {
		if one != "" {
			found = add(found, prefix+one, "", prefix+word)
		}
	}
	return found
}

// add adds a candidate that begins as the word does. Its help is one line.
func add(found []Candidate, text, help, word string) []Candidate {
	if !strings.HasPrefix(text, word) {
		return found
	}
	return append(found, Candidate{text, strings.Join(strings.Fields(help), " ")})
}
