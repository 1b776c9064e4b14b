package gate

import (
	"os"
	"strings"

	"mirroros.dev/mirroros/controllers/gate/proxy"
)

// A door is a listener of a gate within the network of one isolated instance. Its socket is made there, by the instance's own start, and
// held here like the others; its name tells both.

const doorPrefix = "door/"

func doorListener(gate, instance string) string { return doorPrefix + gate + "/" + instance }

// parseDoor reads the name of a door's socket.
func parseDoor(name string) (gate, instance string, ok bool) {
	rest, ok := strings.CutPrefix(name, doorPrefix)
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, "/")
}

// doors are those of instances that live, whose sockets are held.
func (o *observed) doors() (out []proxy.DoorEntry) {
	for _, name := range o.Sockets {
		if gate, instance, ok := parseDoor(name); ok && o.Live[instance] {
			out = append(out, proxy.DoorEntry{Listener: name, Gate: gate, Instance: instance})
		}
	}
	return out
}

// Admit takes the sockets of an instance that is about to start, by gate, and answers when each is kept beyond the operator's life.
func (r *Reconciler) Admit(instance string, doors map[string]*os.File) (failed error) {
	for gate, f := range doors {
		if err := r.o.Sockets.Admit(doorListener(gate, instance), f); err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}

// Admitted tells that the start is over: from now on the doors stay as long as the instance lives.
func (r *Reconciler) Admitted(instance string) {
	for _, name := range r.o.Sockets.Names() {
		if _, of, ok := parseDoor(name); ok && of == instance {
			r.o.Sockets.Settle(name)
		}
	}
	r.SocketsChanged()
}
