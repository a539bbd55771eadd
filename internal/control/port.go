package control

import (
	"context"
	"net"
	"slices"
	"strconv"

	"upkeep/internal/panel"
)

// FreePort returns the lowest port of the range that no service declares and nothing on the machine listens on; 0
// when there is none.
func (c *Control) FreePort(ctx context.Context) (int, error) {
	used, err := c.store.UsedPorts(ctx)
	if err != nil {
		return 0, err
	}
	for port := panel.MinPort; port <= panel.MaxPort; port++ {
		if !slices.Contains(used, port) && unbound(port) {
			return port, nil
		}
	}
	return 0, nil
}

// unbound tries the port on both families for an instant.
func unbound(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
