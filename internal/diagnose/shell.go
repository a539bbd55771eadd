package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"upkeep/internal/command"
	"upkeep/internal/panel"
)

// shellFindings are D05 and D06: what the shell adds, and what it takes away.
func shellFindings(cmd *command.Command) []panel.Finding {
	var found []panel.Finding
	if cmd.Shell && !curesShell(cmd) {
		found = append(found, about("D05", fmt.Sprintf("This uses shell features (%s), so it runs through /bin/sh, "+
			"and signals reach the whole group.", strings.Join(cmd.Features, ", ")), ""))
	}
	if cmd.Background {
		found = append(found, about("D06", backgroundText(cmd), cmd.Foreground()))
	}
	return found
}

// curesShell reports whether the cure for a background mark leaves a command that needs no shell: saying both
// would be saying one thing twice.
func curesShell(cmd *command.Command) bool {
	front, err := command.Parse(cmd.Foreground())
	return err == nil && !front.Shell
}

func backgroundText(cmd *command.Command) string {
	marks := strings.Join(cmd.Marks, " and ")
	if slices.Equal(cmd.Marks, []string{"nohup"}) {
		return "nohup makes the program deaf to SIGHUP, which is how a restart begins. " +
			"A service needs no nohup: nobody's session ends it."
	}
	return fmt.Sprintf("This sends the program to the background (%s); the service would end at once. "+
		"upkeep keeps it running without that.", marks)
}

// managers are package managers that run a script of the project by starting it as a child.
var managers = []string{"npm", "yarn", "pnpm"}

// parentFindings is D29: a package manager stands between upkeep and the program.
func parentFindings(cmd *command.Command) []panel.Finding {
	words := program(cmd.Words()).words
	if len(words) < 2 || !slices.Contains(managers, words[0]) || !slices.Contains([]string{"start", "run"}, words[1]) {
		return nil
	}
	return []panel.Finding{about("D29", fmt.Sprintf("`%s %s` stands between upkeep and your program and may swallow "+
		"signals. Write the command that it runs, such as `node server.js`.", words[0], words[1]), "")}
}
