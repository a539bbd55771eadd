package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"upkeep/internal/diagnose"
	"upkeep/internal/exchange"
	"upkeep/internal/panel"
)

// Export writes a service for another supervisor, or another upkeep. It returns panel.ErrNotFound for a format that
// cannot be written, and a *panel.ValidationError for a service that the format cannot hold.
func (c *Control) Export(acct panel.Account, def panel.Definition, format panel.Format) (panel.Export, error) {
	return exchange.Write(acct, def, format)
}

// ReadImport finds out what a file asks for. Nothing is created, and nothing executed. Each draft is checked as
// [Control.Create] checks; names and ports that cannot be had are replaced by free ones. A file that cannot be read
// gives a *panel.MalformedError. directory is for the drafts that name none.
func (c *Control) ReadImport(ctx context.Context, acct panel.Account, file panel.ImportFile, directory string) (panel.Import, error) {
	in, err := exchange.Read(acct, file)
	if err != nil {
		return in, err
	}
	p, err := c.newProposals(ctx, acct)
	if err != nil {
		return in, err
	}
	for i := range in.Drafts {
		if in.Drafts[i].Directory == "" {
			in.Drafts[i].Directory = directory
		}
		p.name(&in.Drafts[i])
		p.keepPort(&in.Drafts[i])
	}
	for i := range in.Drafts {
		p.findPort(&in.Drafts[i])
		if err := c.checkDraft(ctx, acct, &in.Drafts[i]); err != nil {
			return in, err
		}
	}
	return in, nil
}

// checkDraft refuses what the form would refuse, and adds what it would warn of. A command that is missing is asked
// for.
func (c *Control) checkDraft(ctx context.Context, acct panel.Account, d *panel.Draft) error {
	if !d.Possible() {
		return nil
	}
	missing := d.Command == ""
	def, err := c.check(ctx, acct, d.Definition, 0)
	var wrong *panel.ValidationError
	if err != nil && !errors.As(err, &wrong) {
		return err
	}
	if wrong == nil {
		d.Definition = def
		for _, f := range diagnose.Definition(def, diagnose.Facts{User: acct.UnixUser}) {
			remark(d, panel.RemarkNoticed, "%s", f.Text)
		}
		return nil
	}
	for _, field := range []string{"name", "command", "directory", "environment", "port", "annotation"} {
		if message := wrong.Fields[field]; message != "" && !(missing && field == "command") {
			remark(d, panel.RemarkRefused, "%s", message)
		}
	}
	return nil
}

func remark(d *panel.Draft, kind panel.RemarkKind, format string, args ...any) {
	d.Remarks = append(d.Remarks, panel.Remark{Kind: kind, Line: d.Line, Text: fmt.Sprintf(format, args...)})
}

// proposals know which names and ports are used, those of the drafts before included.
type proposals struct {
	names map[string]bool
	ports []int
}

func (c *Control) newProposals(ctx context.Context, acct panel.Account) (*proposals, error) {
	services, err := c.store.Services(ctx, acct.ID)
	if err != nil {
		return nil, err
	}
	ports, err := c.store.UsedPorts(ctx)
	if err != nil {
		return nil, err
	}
	p := &proposals{names: map[string]bool{}, ports: ports}
	for _, svc := range services {
		p.names[svc.Name] = true
	}
	return p, nil
}

// name gives a draft a name that is free.
func (p *proposals) name(d *panel.Draft) {
	free := d.Name
	for n := 2; p.names[free] || taken[free]; n++ {
		tail := "-" + strconv.Itoa(n)
		free = strings.TrimRight(d.Name[:min(len(d.Name), panel.MaxNameBytes-len(tail))], "-") + tail
	}
	if free != d.Name {
		remark(d, panel.RemarkMapped, "The name %s is taken; %s is proposed.", d.Name, free)
	}
	d.Name = free
	p.names[free] = true
}

// keepPort reserves the port that a draft names, unless it is taken.
func (p *proposals) keepPort(d *panel.Draft) {
	switch {
	case d.Port == 0:
	case slices.Contains(p.ports, d.Port):
		remark(d, panel.RemarkMapped, "Port %d is taken, so another one is proposed.", d.Port)
		d.Port, d.AnyPort = 0, true
	default:
		p.ports = append(p.ports, d.Port)
	}
}

// findPort proposes a port to a draft that needs one.
func (p *proposals) findPort(d *panel.Draft) {
	if !d.AnyPort || d.Port != 0 {
		return
	}
	for port := panel.MinPort; port <= panel.MaxPort; port++ {
		if !slices.Contains(p.ports, port) && unbound(port) {
			d.Port = port
			p.ports = append(p.ports, port)
			return
		}
	}
	remark(d, panel.RemarkIgnored, "It needs a port, and none is free.")
}
