package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

// table has a row for each fact and a column for each peer.
type table struct {
	rows    []string
	columns []column
	mu      sync.Mutex // of the cells
}

type column struct {
	peer    peer
	missing string // program that is not installed
	cells   map[string]cell
}

func (t *table) fill(c *column, rows []string, cells []cell) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, row := range rows {
		c.cells[row] = cells[i]
	}
}

// passed reports whether a peer is there and passes every row.
func (t *table) passed(name string) bool {
	for _, c := range t.columns {
		if c.peer.name == name {
			return c.missing == "" && len(t.failures(c)) == 0
		}
	}
	return true // it was not asked
}

func (t *table) failures(c column) (rows []string) {
	for _, row := range t.rows {
		if !c.cells[row].ok {
			rows = append(rows, row)
		}
	}
	return rows
}

// print writes Markdown. What is not as it must be for upkeep is set in bold type.
func (t *table) print(out io.Writer) {
	var head, rule strings.Builder
	for _, c := range t.columns {
		if c.missing == "" {
			fmt.Fprintf(&head, " %s |", c.peer.name)
			rule.WriteString("---|")
		}
	}
	fmt.Fprintf(out, "| scenario |%s\n|---|%s\n", head.String(), rule.String())
	for _, row := range t.rows {
		fmt.Fprintf(out, "| %s |", row)
		for _, c := range t.columns {
			if c.missing == "" {
				fmt.Fprintf(out, " %s |", c.cells[row])
			}
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out, "\nBold: not as it must be for upkeep.")
	for _, c := range t.columns {
		if c.missing != "" {
			fmt.Fprintf(out, "%s is absent: %s is not installed.\n", c.peer.name, c.missing)
		} else {
			fmt.Fprintf(out, "%s passes %d of %d rows.\n", c.peer.name, len(t.rows)-len(t.failures(c)), len(t.rows))
		}
	}
}

func (c cell) String() string {
	text := strings.ReplaceAll(strings.Join(strings.Fields(c.text), " "), "|", `\|`)
	if c.ok {
		return text
	}
	return "**" + text + "**"
}
