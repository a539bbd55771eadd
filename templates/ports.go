package templates

import (
	"fmt"
	"net"

	"upkeep/internal/panel"
)

// portTone is the class of colour for what stands behind a port.
func portTone(u *panel.PortUse) string {
	switch {
	case u == nil:
		return "off"
	case u.State == panel.PortListening:
		return "ok"
	case u.State == panel.PortNothing:
		return "off"
	}
	return "warn"
}

// portRemark says in a few words who listens.
func portRemark(u *panel.PortUse) string {
	if u == nil {
		return "not looked up yet"
	}
	switch u.State {
	case panel.PortListening:
		return "OK, on " + address(u)
	case panel.PortLoopback:
		return "loopback only"
	case panel.PortIPv4Only:
		return "IPv4 only"
	case panel.PortSpecific:
		return "on one address only"
	case panel.PortOther:
		return "listens on " + numbers(u.Other)
	}
	return "nothing listens"
}

// address is where somebody listens; "::" where it is not said.
func address(u *panel.PortUse) string {
	if u.Address == "" {
		return "::"
	}
	return u.Address
}

// portSentence explains what stands behind a port and what to do about it.
func portSentence(port int, s panel.Status, u *panel.PortUse) string {
	if u == nil {
		return "Who listens has not been looked up yet."
	}
	switch u.State {
	case panel.PortListening:
		return "OK, " + listener(u) + " listens on " + address(u) + "."
	case panel.PortLoopback:
		return fmt.Sprintf("The program listens on %s only, so nobody outside can reach it. Bind it to ::.", u.Address)
	case panel.PortIPv4Only:
		return "The program listens on IPv4 only, and services are reached over IPv6. Bind it to ::."
	case panel.PortSpecific:
		return fmt.Sprintf("The program listens on the address %s only. Bind it to ::.", u.Address)
	case panel.PortOther:
		return fmt.Sprintf("The program listens on %s, not on %d. It finds its port in the variable PORT.", numbers(u.Other), port)
	}
	if alive(s) {
		return fmt.Sprintf("Nothing listens on port %d yet. The program runs; it finds its port in the variable PORT.", port)
	}
	return "Nothing listens, because the program does not run."
}

func listener(u *panel.PortUse) string {
	if u.PID == 0 {
		return "the program"
	}
	if u.Name == "" {
		return fmt.Sprintf("PID %d", u.PID)
	}
	return fmt.Sprintf("%s (PID %d)", u.Name, u.PID)
}

// hostPort is the address customers of the service use.
func hostPort(p Page, port int) string { return net.JoinHostPort(p.Host, itoa(port)) }

// listens writes where a process waits for connections.
func listens(list []panel.Listener) []string {
	words := make([]string, len(list))
	for i, l := range list {
		words[i] = net.JoinHostPort(l.Address, itoa(l.Port))
	}
	return words
}
