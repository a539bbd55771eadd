package process

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"

	"upkeep/internal/panel"
)

// socketTable holds the listening TCP sockets of this network namespace by their inode.
type socketTable map[uint64]socket

type socket struct {
	address netip.Addr
	port    int
}

// listening reads the socket tables of both families.
func listening() (socketTable, error) {
	table := socketTable{}
	for _, path := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if err := table.read(path); err != nil {
			return nil, fmt.Errorf("read listening sockets: %w", err)
		}
	}
	return table, nil
}

// read stops at the first socket that does not listen. The kernel walks its table of listeners before that of
// connections, and formats what is asked for only, so a machine with many connections costs no more.
func (t socketTable) read(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // a kernel without IPv6
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Scan() // the heading
	for lines.Scan() {
		inode, s, ok := parseSocket(lines.Bytes())
		if !ok {
			return nil
		}
		t[inode] = s
	}
	return lines.Err()
}

// Columns of /proc/net/tcp and tcp6.
const (
	columnLocal  = 1
	columnState  = 3
	columnInode  = 9
	stateListens = "0A" // TCP_LISTEN
)

func parseSocket(line []byte) (inode uint64, s socket, ok bool) {
	fields := bytes.Fields(line)
	if len(fields) <= columnInode || string(fields[columnState]) != stateListens {
		return 0, socket{}, false
	}
	inode, err := strconv.ParseUint(string(fields[columnInode]), 10, 64)
	if err != nil {
		return 0, socket{}, false
	}
	s, ok = parseLocal(fields[columnLocal])
	return inode, s, ok
}

// parseLocal reads "0100007F:2070": the address in 32-bit words of the machine's byte order, the port in hex.
func parseLocal(text []byte) (socket, bool) {
	address, port, found := bytes.Cut(text, []byte(":"))
	raw := make([]byte, hex.DecodedLen(len(address)))
	if _, err := hex.Decode(raw, address); err != nil || !found || len(raw)%4 != 0 {
		return socket{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	ip, ok := netip.AddrFromSlice(raw)
	n, err := strconv.ParseUint(string(port), 16, 16)
	return socket{address: ip.Unmap(), port: int(n)}, ok && err == nil
}

// of returns where a process listens, each place once, in the order of ports.
func (t socketTable) of(pid int) []panel.Listener {
	var list []panel.Listener
	t.eachOf(pid, func(s socket) bool {
		list = append(list, s.listener())
		return true
	})
	return sortListeners(list)
}

// eachOf calls found for every listening socket that the process holds, until it answers false. A process that
// holds many descriptors is read no further than needed.
func (t socketTable) eachOf(pid int, found func(socket) bool) {
	if len(t) == 0 {
		return
	}
	dir, err := os.Open(procPath(pid, "fd"))
	if err != nil {
		return // gone, or another user's
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(fdsAtOnce)
		for _, name := range names {
			if s, ok := t.behind(dir.Name() + "/" + name); ok && !found(s) {
				return
			}
		}
		if err != nil {
			return // the end, or the end of the process
		}
	}
}

const fdsAtOnce = 256

// behind returns the listening socket that a link of /proc/PID/fd names, such as "socket:[1234]".
func (t socketTable) behind(link string) (socket, bool) {
	target, err := os.Readlink(link)
	if err != nil {
		return socket{}, false
	}
	inode, ok := socketInode(target)
	if !ok {
		return socket{}, false
	}
	s, ok := t[inode]
	return s, ok
}

func socketInode(target string) (uint64, bool) {
	const prefix = "socket:["
	if len(target) <= len(prefix) || target[:len(prefix)] != prefix {
		return 0, false
	}
	inode, err := strconv.ParseUint(target[len(prefix):len(target)-1], 10, 64)
	return inode, err == nil
}

func (s socket) listener() panel.Listener {
	return panel.Listener{Address: s.address.String(), Port: s.port}
}
