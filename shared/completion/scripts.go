package completion

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// Command is a program's command that prints a shell's script.
type Command struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help says where the script goes.
func (Command) Help() string {
	return `Prints what has a shell complete this program's commands, flags and their values. To have it in every new shell:

	bash  echo 'source <(PROGRAM completion bash)' >>~/.bashrc
	zsh   echo 'autoload -Uz compinit && compinit; source <(PROGRAM completion zsh)' >>~/.zshrc
	fish  PROGRAM completion fish >~/.config/fish/completions/PROGRAM.fish

PROGRAM is sage, worker or bridge; it has to be in the PATH.`
}

// Run prints the script for the program that k is.
func (c Command) Run(k *kong.Context) error {
	_, err := fmt.Fprint(k.Stdout, Script(k.Model.Name, c.Shell))
	return err
}

// Script is what has a shell complete the program called name; empty for other shells
// than bash, zsh and fish.
func Script(name, shell string) string {
	return strings.NewReplacer("PROGRAM", name, "ASK", ask).Replace(scripts[shell])
}

var scripts = map[string]string{
	"bash": `_PROGRAM_complete() {
  local line
  COMPREPLY=()
  while IFS=$'\t' read -r line _; do
    [[ -n $line ]] && COMPREPLY+=("$line")
  done < <("${COMP_WORDS[0]}" ASK "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _PROGRAM_complete PROGRAM
`,
	"zsh": `#compdef PROGRAM
_PROGRAM_complete() {
  local line
  local -a found
  while IFS= read -r line; do
    found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
  done < <("${words[1]}" ASK "${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( ${#found} )); then
    _describe PROGRAM found
  else
    _files
  fi
}
compdef _PROGRAM_complete PROGRAM
`,
	"fish": `function __PROGRAM_complete
  set -l words (commandline -opc) (commandline -ct)
  $words[1] ASK $words[2..] 2>/dev/null
end
function __PROGRAM_none
  test (count (__PROGRAM_complete)) -eq 0
end
complete -c PROGRAM -f -a '(__PROGRAM_complete)'
complete -c PROGRAM -n __PROGRAM_none -F
`,
}
