package diagnose

import (
	"fmt"
	"path"
	"strings"

	"upkeep/internal/command"
	"upkeep/internal/panel"
)

// programFindings are D01 to D04: what is wrong with the file that should be executed.
func programFindings(cmd *command.Command, facts Facts) []panel.Finding {
	p := facts.Program
	switch {
	case p == nil || p.Name == "":
		return nil
	case p.Path == "" && p.Here:
		return []panel.Finding{relativePath(cmd, p)}
	case p.Path == "":
		return []panel.Finding{notFound(cmd, facts)}
	case p.Directory:
		return []panel.Finding{about("D03", fmt.Sprintf("`%s` is a directory, so it cannot be executed. "+
			"Name a program in it.", p.Name), "")}
	case !p.Executable:
		return []panel.Finding{notExecutable(cmd, p)}
	}
	return badInterpreter(cmd, p)
}

func notFound(cmd *command.Command, facts Facts) panel.Finding {
	p := facts.Program
	text := fmt.Sprintf("`%s` was not found", p.Name)
	if strings.Contains(p.Name, "/") {
		text = fmt.Sprintf("There is no file `%s`", p.Name)
		if !strings.HasPrefix(p.Name, "/") {
			text += " below the working directory"
		}
	} else if facts.User != "" {
		text += fmt.Sprintf(" for user %s", facts.User)
	}
	text += ", so the service cannot start."
	if len(p.Candidates) == 0 {
		return about("D01", text+" Check the spelling, install the program, or name it with its full path.", "")
	}
	return about("D01", fmt.Sprintf("%s There is one at `%s`.", text, p.Candidates[0]),
		cmd.WithProgram(p.Candidates[0]))
}

// runners are the programs that run a file, by its extension.
var runners = map[string][]string{
	".js": {"node"}, ".mjs": {"node"}, ".cjs": {"node"}, ".py": {"python3"}, ".rb": {"ruby"}, ".php": {"php"},
	".sh": {"sh"}, ".pl": {"perl"}, ".jar": {"java", "-jar"},
}

// withRunner puts the program that runs a file before it; ok is false for a file of unknown kind.
func withRunner(name string) (words []string, ok bool) {
	runner, ok := runners[strings.ToLower(path.Ext(name))]
	return append(append(words, runner...), name), ok
}

// relativePath is D02: a file of the working directory is named as if it were a command.
func relativePath(cmd *command.Command, p *Found) panel.Finding {
	text := fmt.Sprintf("`%s` is a file here but not a command, because programs are looked for in PATH only.", p.Name)
	words, known := withRunner(p.Name)
	if p.HereExecutable {
		words, known = []string{"./" + p.Name}, true
	}
	if !known {
		return about("D02", text+fmt.Sprintf(" Make it executable and write `./%s`.", p.Name), "")
	}
	return about("D02", fmt.Sprintf("%s Did you mean `%s`?", text, strings.Join(words, " ")),
		cmd.WithProgram(words...))
}

// notExecutable is D03: the file exists, and the account may not execute it.
func notExecutable(cmd *command.Command, p *Found) panel.Finding {
	text := fmt.Sprintf("The file `%s` exists but may not be executed, so the service cannot start.", p.Name)
	if words, ok := withRunner(p.Name); ok {
		return about("D03", fmt.Sprintf("%s Make it executable (chmod +x), or run it with `%s`.", text, words[0]),
			cmd.WithProgram(words...))
	}
	return about("D03", text+" Make it executable (chmod +x).", "")
}

// badInterpreter is D04: the file may be executed, and the kernel will not know how.
func badInterpreter(cmd *command.Command, p *Found) []panel.Finding {
	var text string
	switch {
	case p.Format == FormatForeign:
		text = fmt.Sprintf("`%s` was built for %s, so it does not run on this machine. "+
			"Build it for this machine and upload it again.", p.Name, p.Machine)
	case p.Format == FormatEmpty:
		text = fmt.Sprintf("`%s` is an empty file, so there is nothing to run.", p.Name)
	case p.Format == FormatText && !cmd.Shell: // a shell reads such a file itself
		text = fmt.Sprintf("`%s` is neither a program nor a script whose first line names its interpreter, "+
			"so the system cannot execute it. Begin a script with a line such as `#!/bin/sh`.", p.Name)
	case p.CarriageReturn:
		text = fmt.Sprintf("The first line of `%s` ends with a Windows line break, so the system looks for a program "+
			"that does not exist. Save the file with Unix line ends.", p.Name)
	case p.InterpreterMissing:
		text = fmt.Sprintf("The first line of `%s` names `%s`, which was not found, so it cannot be executed.",
			p.Name, p.Interpreter)
	default:
		return nil
	}
	fix := ""
	if words, ok := withRunner(p.Name); ok && (p.Format == FormatText || p.CarriageReturn && p.Format == FormatScript) {
		fix = cmd.WithProgram(words...)
	}
	return []panel.Finding{about("D04", text, fix)}
}
