package admit

import (
	"fmt"
	"net/netip"

	"mirroros.dev/mirroros/specs"
)

// Port is a port number, or the name of a socket, that a field takes for its object alone.
type Port struct {
	Field  string
	Number int32 `json:",omitempty"`
	// Host is the address that the port is taken at; empty for every address of this host. Of a socket, which has no number, it is the name.
	Host string `json:",omitempty"`
}

// Clashes tells whether two cannot be had at once.
func (p Port) Clashes(q Port) bool {
	return p.Number == q.Number && (p.Host == q.Host || p.Number != 0 && (p.Host == "" || q.Host == ""))
}

// word is what it is called, and String names it.
func (p Port) word() string {
	if p.Number == 0 {
		return "socket"
	}
	return "port"
}

func (p Port) String() string {
	if p.Number == 0 {
		return "socket " + p.Host
	}
	return fmt.Sprintf("port %d", p.Number)
}

// value is what the field says, for an error.
func (p Port) value() any {
	if p.Number == 0 {
		return p.Host
	}
	return p.Number
}

// clash is the first port of a list that cannot be had beside p.
func (p Port) clash(list []Port) bool {
	for _, q := range list {
		if p.Clashes(q) {
			return true
		}
	}
	return false
}

// portKinds are the kinds whose objects take ports.
var portKinds = []string{"Process", "Gate"}

// fixedPorts are the ports that an object takes for itself alone.
func fixedPorts(o specs.Object) []Port {
	switch o := o.(type) {
	case *specs.Process:
		return processPorts(o)
	case *specs.Gate:
		return gatePorts(o)
	}
	return nil
}

// processPorts: where a program listens nobody knows, so its ports are taken at every address; the gate holds service ports on loopback.
func processPorts(p *specs.Process) []Port {
	var ports []Port
	for i := range p.Spec.Ports {
		if n := p.Spec.Ports[i].Port; n != 0 {
			ports = append(ports, Port{Field: fmt.Sprintf("spec.ports[%d].port", i), Number: n})
		}
		if n := p.Spec.Ports[i].ServicePort; n != 0 {
			ports = append(ports, Port{Field: fmt.Sprintf("spec.ports[%d].servicePort", i), Number: n, Host: specs.DefaultHost})
		}
	}
	return ports
}

func gatePorts(g *specs.Gate) []Port {
	if g.Spec.Listen.Unix != "" {
		return []Port{{Field: "spec.listen.unix", Host: g.Spec.Listen.Unix}}
	}
	a, err := netip.ParseAddrPort(g.Spec.Listen.Address)
	if err != nil || a.Port() == 0 {
		return nil // any that is free
	}
	p := Port{Field: "spec.listen.address", Number: int32(a.Port())}
	if host := a.Addr().Unmap(); !host.IsUnspecified() {
		p.Host = host.String()
	}
	return []Port{p}
}
