package apiserver

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// socketOwners finds the processes that hold the client's end of a connection on this host, and its user. Those of other users are found
// by root only.
func socketOwners(client, server net.Addr) (uid int, pids []int, err error) {
	local, err := netip.ParseAddrPort(client.String())
	if err != nil {
		return 0, nil, fmt.Errorf("cannot read address %q: %w", client, err)
	}
	remote, err := netip.ParseAddrPort(server.String())
	if err != nil {
		return 0, nil, fmt.Errorf("cannot read address %q: %w", server, err)
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue // there is no IPv6, or no /proc: it is not found
		}
		inode, uid, ok := findSocket(f, local, remote)
		_ = f.Close()
		if ok {
			return uid, holders(inode), nil
		}
	}
	return 0, nil, fmt.Errorf("no socket on this host is connected from %s", local)
}

// findSocket finds a socket in the kernel's table by both its ends.
func findSocket(table io.Reader, local, remote netip.AddrPort) (inode string, uid int, ok bool) {
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 10 || !sameEnd(f[1], local) || !sameEnd(f[2], remote) {
			continue
		}
		if uid, err := strconv.Atoi(f[7]); err == nil && f[9] != "0" {
			return f[9], uid, true
		}
	}
	return "", 0, false
}

// sameEnd compares an address as the table has it (words of four bytes in the order of the host, then the port) with another.
func sameEnd(text string, want netip.AddrPort) bool {
	address, port, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil || uint16(n) != want.Port() {
		return false
	}
	b, err := hex.DecodeString(address)
	if err != nil || len(b)%4 != 0 {
		return false
	}
	for word := range slices.Chunk(b, 4) {
		slices.Reverse(word) // every machine that this runs on has the low byte first
	}
	ip, ok := netip.AddrFromSlice(b)
	return ok && ip.Unmap() == want.Addr().Unmap()
}

// holders are the processes with an open socket of that inode.
func holders(inode string) (pids []int) {
	want := "socket:[" + inode + "]"
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return nil
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err != nil || to != want {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(link, "/")[2]); err == nil && !slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}
