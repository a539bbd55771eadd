package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// row is one line of the table.
type row struct {
	Name     string             `json:"name"`
	What     string             `json:"what"`
	Measured string             `json:"measured"`
	Budget   string             `json:"budget"`
	Verdict  string             `json:"verdict"`
	Values   map[string]float64 `json:"values,omitempty"`
}

// Verdicts; a third one begins with "not measured".
const (
	withinBudget = "ok"
	overBudget   = "OVER"
)

func verdict(ok bool) string {
	if ok {
		return withinBudget
	}
	return overBudget
}

func notMeasured(name, what string, reason error) row {
	return row{Name: name, What: what, Measured: "–", Budget: "–", Verdict: "not measured: " + reason.Error()}
}

func printTable(out io.Writer, m machine, rows []row) error {
	fmt.Fprintln(out, m)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nWHAT\tMEASURED\tBUDGET\tVERDICT")
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", r.What, r.Measured, r.Budget, r.Verdict)
	}
	fmt.Fprintln(t, "\nLatencies are p50 / p95; the verdict is by the p95, and for a comparison by the ratio of the p50.")
	if m.Busy {
		fmt.Fprintln(t, "Others used the machine meanwhile: times are longer than they need be.")
	}
	return t.Flush()
}

func printJSON(out io.Writer, m machine, rows []row) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Machine machine `json:"machine"`
		Rows    []row   `json:"rows"`
	}{m, rows})
}
