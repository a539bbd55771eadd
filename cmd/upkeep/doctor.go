package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"upkeep/store"
)

func newDoctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is right and what is wrong with this installation",
		Long: `Say what is right and what is wrong with this installation, one line each, with what to do. It changes nothing. The
exit status is 1 when something is wrong. Run it as the user that upkeep runs as.`,
		Args: args(cobra.NoArgs),
	}
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := readSettings(cmd.Flags())
		if err != nil {
			return err
		}
		d := &doctor{settings: s}
		d.examine(cmd.Context())
		if err := d.print(cmd.OutOrStdout(), *asJSON); err != nil {
			return err
		}
		if n := d.count(wrong); n > 0 {
			return fmt.Errorf("%d of %d checks found something wrong", n, len(d.findings))
		}
		return nil
	}
	return cmd
}

// verdict is the word in front of a finding.
type verdict string

const (
	right verdict = "ok"
	note  verdict = "note" // works, and could be better
	wrong verdict = "wrong"
)

// finding is one line.
type finding struct {
	Check   string  `json:"check"`
	Verdict verdict `json:"verdict"`
	Text    string  `json:"text"`
	Do      string  `json:"do,omitempty"`
}

// doctor looks at an installation.
type doctor struct {
	settings *settings
	findings []finding
	daemon   string       // PID, as text; empty when none runs
	facts    *store.Facts // nil when the database cannot be read
}

func (d *doctor) say(check string, v verdict, text, do string) {
	d.findings = append(d.findings, finding{check, v, text, do})
}

// sayIf is say with two verdicts.
func (d *doctor) sayIf(ok bool, otherwise verdict, check, good, bad, do string) {
	if ok {
		d.say(check, right, good, "")
		return
	}
	d.say(check, otherwise, bad, do)
}

func (d *doctor) count(v verdict) (n int) {
	for _, f := range d.findings {
		if f.Verdict == v {
			n++
		}
	}
	return n
}

func (d *doctor) examine(ctx context.Context) {
	for _, look := range []func(context.Context){
		d.directory, d.space, d.running, d.helper, d.database, d.backups, d.kernel, d.groups, d.limits, d.descriptors, d.clock,
		d.homes, d.strays,
	} {
		look(ctx)
	}
}

func (d *doctor) print(w io.Writer, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(map[string]any{"ok": d.count(wrong) == 0, "checks": d.findings})
	}
	var errs []error
	for _, f := range d.findings {
		line := fmt.Sprintf("%-5s  %-14s  %s", f.Verdict, f.Check, f.Text)
		if f.Do != "" {
			line += "; " + f.Do
		}
		_, err := fmt.Fprintln(w, line)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
