package proxy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// identities are who may call, ready to be looked up. They are never changed.
type identities struct {
	number     int64
	principals map[string]*PrincipalEntry
	tokens     map[[sha256.Size]byte]*token
	byID       map[string]*token
	cgroups    map[string]*WorkloadEntry
	numbers    map[uint64]*WorkloadEntry // by the number of the cgroup
	pids       map[int][]*WorkloadEntry
	instances  map[string]*WorkloadEntry
	doors      []DoorEntry
}

type token struct {
	*TokenEntry
	hash  [sha256.Size]byte
	scope map[string]bool
}

// AnonymousName is the principal of those who bring no credentials, where a gate takes them.
const AnonymousName = "system/anonymous"

func compileIdentities(ids *Identities) (*identities, error) {
	x := &identities{
		number: ids.Number, principals: make(map[string]*PrincipalEntry, len(ids.Principals)), tokens: make(map[[sha256.Size]byte]*token, len(ids.Tokens)),
		byID: make(map[string]*token, len(ids.Tokens)), cgroups: map[string]*WorkloadEntry{}, numbers: map[uint64]*WorkloadEntry{}, pids: map[int][]*WorkloadEntry{},
		instances: map[string]*WorkloadEntry{}, doors: ids.Doors,
	}
	for i := range ids.Principals {
		p := &ids.Principals[i]
		x.principals[p.Name] = p
	}
	if x.principals[AnonymousName] == nil {
		x.principals[AnonymousName] = &PrincipalEntry{Name: AnonymousName, Type: "System"}
	}
	for i := range ids.Tokens {
		t := &token{TokenEntry: &ids.Tokens[i], scope: set(ids.Tokens[i].Scope)}
		if n, err := hex.Decode(t.hash[:], []byte(t.SHA256[:min(len(t.SHA256), 2*sha256.Size)])); err != nil || n != sha256.Size || len(t.SHA256) != 2*n {
			return nil, fmt.Errorf("cannot load identities: the SHA-256 of token %q has not 64 hexadecimal digits", t.ID)
		}
		x.tokens[t.hash], x.byID[t.ID] = t, t
	}
	for i := range ids.Workloads {
		w := &ids.Workloads[i]
		x.instances[w.Instance] = w
		if w.Cgroup != "" {
			x.cgroups[w.Cgroup] = w
		}
		if w.CgroupID != 0 {
			x.numbers[w.CgroupID] = w
		}
		x.pids[w.PID] = append(x.pids[w.PID], w)
	}
	return x, nil
}

// caller is who asks, as stage 2 found it.
type caller struct {
	principal *PrincipalEntry
	token     *token
	instance  string
}

// still tells whether a caller is what it was under newer identities, now. A token that has expired since goes on to the end of what it
// began; one that was revoked does not.
func (x *identities) still(c *caller, now time.Time) bool {
	p := x.principals[c.principal.Name]
	switch {
	case p == nil || p.Suspended:
		return false
	case c.token != nil:
		t := x.byID[c.token.ID]
		return t != nil && t.hash == c.token.hash && t.Principal == c.principal.Name || t == nil && !now.Before(c.token.Expires)
	case c.instance != "":
		w := x.instances[c.instance]
		return w != nil && w.Principal == c.principal.Name
	}
	return true
}

// workload finds the instance that a process is of: by the door that it came by, else by its cgroup, else by its pid and inode; a pid alone is
// nobody.
func (x *identities) workload(p *PeerProcess) *WorkloadEntry {
	if p.Instance != "" {
		return x.instances[p.Instance]
	}
	if w := x.cgroups[p.Cgroup]; w != nil && p.Cgroup != "" {
		return w
	}
	if w := x.numbers[p.CgroupID]; w != nil && p.CgroupID != 0 {
		return w
	}
	for _, w := range x.pids[p.PID] {
		if w.Inode != 0 && w.Inode == p.Inode {
			return w
		}
	}
	return nil
}

// set is nil for none.
func set(names []string) map[string]bool {
	if len(names) == 0 {
		return nil
	}
	s := make(map[string]bool, len(names))
	for _, n := range names {
		s[n] = true
	}
	return s
}
