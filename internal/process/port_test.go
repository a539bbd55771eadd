package process

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"upkeep/internal/panel"
)

// portOf asks what stands behind a port of the actor's service.
func portOf(t *testing.T, a *actor, port int) panel.PortUse {
	t.Helper()
	id := a.group.Service
	uses, err := NewObserver().Ports(t.Context(), map[panel.ServiceID]PortQuery{id: {a.group, port}})
	check(t, err)
	return uses[id]
}

func TestPorts(t *testing.T) {
	for _, c := range []struct {
		listen string
		state  panel.PortState
		at     string
	}{
		{"tcp [::]:0", panel.PortListening, "::"},
		{"tcp6 [::]:0", panel.PortListening, "::"},
		{"tcp6 [::1]:0", panel.PortLoopback, "::1"},
		{"tcp4 127.0.0.1:0", panel.PortLoopback, "127.0.0.1"},
		{"tcp4 127.1.2.3:0", panel.PortLoopback, "127.1.2.3"},
		{"tcp4 0.0.0.0:0", panel.PortIPv4Only, "0.0.0.0"},
	} {
		t.Run(c.listen, func(t *testing.T) {
			needsIPv6(t, c.at)
			a := play(t, rung{}, "listen", c.listen)
			port := a.number()
			want := panel.PortUse{State: c.state, Address: c.at, PID: a.Process.Pid, Name: "exe"}
			if got := portOf(t, a, port); !equalUse(got, want) {
				t.Errorf("%+v, want %+v", got, want)
			}
			listens := list(t, NewObserver(), a.group)[0].Listens
			if want := []panel.Listener{{Address: c.at, Port: port}}; !slices.Equal(listens, want) {
				t.Errorf("listens on %v, want %v", listens, want)
			}
		})
	}
}

func needsIPv6(t *testing.T, address string) {
	t.Helper()
	if netip.MustParseAddr(address).Is4() {
		return
	}
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6: ", err)
	}
	l.Close()
}

func equalUse(a, b panel.PortUse) bool {
	return a.State == b.State && a.Address == b.Address && a.PID == b.PID && a.Name == b.Name &&
		slices.Equal(a.Other, b.Other)
}

func TestOtherPorts(t *testing.T) {
	onEachRung(t, func(t *testing.T, r rung) {
		a := play(t, r, "listen", "tcp4 127.0.0.1:0", "tcp4 127.0.0.1:0")
		ports := a.numbers(2)
		want := panel.PortUse{State: panel.PortOther, Other: ports}
		if got := portOf(t, a, 1); !equalUse(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
		if got := portOf(t, a, 0); !equalUse(got, want) {
			t.Errorf("without a declared port: %+v, want %+v", got, want)
		}
		if got := portOf(t, a, ports[1]); got.State != panel.PortLoopback || got.Other != nil {
			t.Errorf("%+v, want loopback", got)
		}
	})
}

// Another service's socket on the port is not this service's.
func TestPortOfAnother(t *testing.T) {
	a, other := play(t, rung{}, "linger"), play(t, rung{}, "listen", "tcp4 127.0.0.1:0")
	a.line()
	if got := portOf(t, a, other.number()); got.State != panel.PortNothing || got.PID != 0 {
		t.Errorf("%+v, want nothing", got)
	}
}

// The widest of several listeners on one port counts.
func TestWidestListener(t *testing.T) {
	for _, c := range []struct {
		listen []string
		want   panel.PortState
	}{
		{[]string{"tcp4 127.0.0.1:0", "tcp6 [::]:same"}, panel.PortListening},
		{[]string{"tcp6 [::]:0", "tcp4 127.0.0.1:same"}, panel.PortListening},
		{[]string{"tcp6 [::1]:0", "tcp4 0.0.0.0:same"}, panel.PortIPv4Only},
		{[]string{"tcp4 127.0.0.1:0", "tcp6 [::1]:same"}, panel.PortLoopback},
	} {
		needsIPv6(t, "::1")
		a := play(t, rung{}, "listen", c.listen...)
		port := a.numbers(2)[0]
		if got := portOf(t, a, port); got.State != c.want {
			t.Errorf("%v: %+v, want %v", c.listen, got, c.want)
		}
	}
}

func TestReach(t *testing.T) {
	for address, want := range map[string]panel.PortState{
		"::":               panel.PortListening,
		"::1":              panel.PortLoopback,
		"::ffff:127.0.0.1": panel.PortLoopback,
		"::ffff:0.0.0.0":   panel.PortIPv4Only,
		"::ffff:10.0.2.2":  panel.PortIPv4Only,
		"10.0.2.2":         panel.PortIPv4Only,
		"2001:db8::1":      panel.PortSpecific,
	} {
		s, ok := parseLocal([]byte(kernelText(address) + ":206C"))
		if got := s.reach(); !ok || s.port != 8300 || got != want {
			t.Errorf("%s is read as %v port %d, %v; want %v", address, s.address, s.port, got, want)
		}
	}
}

// kernelText writes an address as /proc/net/tcp does.
func kernelText(address string) string {
	raw := netip.MustParseAddr(address).AsSlice()
	var text strings.Builder
	for word := range slices.Chunk(raw, 4) {
		fmt.Fprintf(&text, "%08X", binary.NativeEndian.Uint32(word))
	}
	return text.String()
}

func TestParseSocket(t *testing.T) {
	for line, want := range map[string]uint64{
		"   0: 0100007F:2070 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 x 100 0": 4711,
		"   0: 0100007F:2070 00000000:0000 01 00000000:00000000 00:00000000 00000000  1000        0 4711 1 x 100 0": 0,
		"   0: 0100007X:2070 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 x 100 0": 0,
		"   0: 0100007F:2070": 0,
		"":                    0,
	} {
		if inode, _, ok := parseSocket([]byte(line)); ok != (want != 0) || ok && inode != want {
			t.Errorf("%q: inode %d, %v; want %d", line, inode, ok, want)
		}
	}
}
