package specs

import (
	"fmt"
	"net/netip"
)

// FixedPort is a port number, or the name of a socket, that a field takes for its object alone.
type FixedPort struct {
	Field  string
	Number int32 `json:",omitempty"`
	// Host is the address that the port is taken at; empty for every address of this host. Of a socket, which has no number, it is the name.
	Host string `json:",omitempty"`
}

// Clashes tells whether two cannot be had at once.
func (p FixedPort) Clashes(q FixedPort) bool {
	return p.Number == q.Number && (p.Host == q.Host || p.Number != 0 && (p.Host == "" || q.Host == ""))
}

// Word is what it is called, and String names it.
func (p FixedPort) Word() string {
	if p.Number == 0 {
		return "socket"
	}
	return "port"
}

func (p FixedPort) String() string {
	if p.Number == 0 {
		return "socket " + p.Host
	}
	return fmt.Sprintf("port %d", p.Number)
}

// Value is what the field says, for an error.
func (p FixedPort) Value() any {
	if p.Number == 0 {
		return p.Host
	}
	return p.Number
}

// ClashesAny tells whether one of a list cannot be had beside p.
func (p FixedPort) ClashesAny(list []FixedPort) bool {
	for _, q := range list {
		if p.Clashes(q) {
			return true
		}
	}
	return false
}

// PortKinds are the kinds whose objects take ports.
var PortKinds = []string{"Process", "Gate"}

// FixedPorts are the ports that an object takes for itself alone.
func FixedPorts(o Object) []FixedPort {
	switch o := o.(type) {
	case *Process:
		return processPorts(o)
	case *Gate:
		return gatePorts(o)
	}
	return nil
}

// processPorts: where a program listens nobody knows, so its ports are taken at every address; the gate holds service ports on loopback.
func processPorts(p *Process) []FixedPort {
	var ports []FixedPort
	for i := range p.Spec.Ports {
		if n := p.Spec.Ports[i].Port; n != 0 {
			ports = append(ports, FixedPort{Field: fmt.Sprintf("spec.ports[%d].port", i), Number: n})
		}
		if n := p.Spec.Ports[i].ServicePort; n != 0 {
			ports = append(ports, FixedPort{Field: fmt.Sprintf("spec.ports[%d].servicePort", i), Number: n, Host: DefaultHost})
		}
	}
	return ports
}

func gatePorts(g *Gate) []FixedPort {
	if g.Spec.Listen.Unix != "" {
		return []FixedPort{{Field: "spec.listen.unix", Host: g.Spec.Listen.Unix}}
	}
	a, err := netip.ParseAddrPort(g.Spec.Listen.Address)
	if err != nil || a.Port() == 0 {
		return nil // any that is free
	}
	p := FixedPort{Field: "spec.listen.address", Number: int32(a.Port())}
	if host := a.Addr().Unmap(); !host.IsUnspecified() {
		p.Host = host.String()
	}
	return []FixedPort{p}
}
