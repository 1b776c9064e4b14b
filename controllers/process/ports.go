package process

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/specs"
)

// Ports for those that declare no number.
const (
	firstPort = 20000
	lastPort  = 29999
)

// ports knows which port belongs to which instance, bound or not, and who waits until one that another has is given back.
type ports struct {
	wake func(process string)

	mu      sync.Mutex // guards the fields below
	holder  map[int32]string
	waiting map[int32][]string // processes
}

func newPorts(wake func(process string)) *ports {
	return &ports{wake: wake, holder: map[int32]string{}, waiting: map[int32][]string{}}
}

// of is the instance that has a port; empty for none.
func (t *ports) of(port int32) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.holder[port]
}

// hold makes ports an instance's own.
func (t *ports) hold(id string, list []specs.InstancePort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range list {
		t.holder[p.Port] = id
	}
}

// release gives an instance's ports back, and wakes who waits for one of them.
func (t *ports) release(id string) {
	var woken []string
	t.mu.Lock()
	for port, h := range t.holder {
		if h == id {
			delete(t.holder, port)
			woken = append(woken, t.waiting[port]...)
			delete(t.waiting, port)
		}
	}
	t.mu.Unlock()
	for _, process := range woken {
		t.wake(process)
	}
}

// take finds ports for an instance and makes them its own: the fixed ones, those it had, or free ones. fixed tells whether another
// process declares a number as its own.
func (t *ports) take(id string, declared []specs.ProcessPort, kept []specs.InstancePort, fixed func(int32) bool) ([]specs.InstancePort, *fault) {
	if len(declared) == 0 {
		return nil, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	free := func(n int32) bool {
		h, held := t.holder[n]
		return (!held || h == id) && !fixed(n) && tryBind(n) == nil
	}
	out, f := choosePorts(id, declared, kept, free)
	if f == nil {
		f = t.checkFixed(id, declared)
	}
	if f != nil {
		return nil, f
	}
	for _, p := range out {
		t.holder[p.Port] = id
	}
	return out, nil
}

// checkFixed tells who has a fixed port that is in use.
func (t *ports) checkFixed(id string, declared []specs.ProcessPort) *fault {
	for _, d := range declared {
		if d.Port == 0 {
			continue
		}
		if h, held := t.holder[d.Port]; held && h != id {
			if process, _, _, ok := parseInstanceName(id); ok && !slices.Contains(t.waiting[d.Port], process) {
				t.waiting[d.Port] = append(t.waiting[d.Port], process)
			}
			f := portFault(d, "instance "+h)
			f.Holder, f.Port = h, d.Port
			return f
		}
		if tryBind(d.Port) != nil {
			return portFault(d, runner.Listener(int(d.Port)))
		}
	}
	return nil
}

func portFault(d specs.ProcessPort, who string) *fault {
	if who == "" {
		who = "another program"
	}
	return &fault{Reason: specs.ReasonPortUnavailable, Message: fmt.Sprintf("port %d (%s) is in use by %s", d.Port, d.Name, who)}
}

// choosePorts is pure but for free: fixed numbers as they are, a number that the port had before when it is free, else the first free one
// from a place that the name gives, so that it is mostly the same again.
func choosePorts(id string, declared []specs.ProcessPort, kept []specs.InstancePort, free func(int32) bool) ([]specs.InstancePort, *fault) {
	out := make([]specs.InstancePort, 0, len(declared))
	taken := map[int32]bool{}
	for _, d := range declared {
		taken[d.Port] = true
	}
	for _, d := range declared {
		n := d.Port
		if n == 0 {
			n = keptPort(d.Name, kept)
		}
		if d.Port == 0 && (n == 0 || taken[n] || !free(n)) {
			n = searchPort(id+"/"+d.Name, func(n int32) bool { return !taken[n] && free(n) })
		}
		if n == 0 {
			return nil, &fault{Reason: specs.ReasonPortUnavailable, Message: fmt.Sprintf("no port from %d to %d is free", firstPort, lastPort)}
		}
		taken[n] = true
		out = append(out, specs.InstancePort{Name: d.Name, Port: n})
	}
	return out, nil
}

func keptPort(name string, kept []specs.InstancePort) int32 {
	for _, k := range kept {
		if k.Name == name && k.Port >= firstPort && k.Port <= lastPort {
			return k.Port
		}
	}
	return 0
}

func searchPort(seed string, free func(int32) bool) int32 {
	const n = lastPort - firstPort + 1
	h := fnv.New32a()
	_, _ = h.Write([]byte(seed)) // a hash takes everything
	begin := int32(h.Sum32() % n)
	for i := range int32(n) {
		if p := firstPort + (begin+i)%n; free(p) {
			return p
		}
	}
	return 0
}

// declaredPorts stands in for ports that are not chosen yet.
func declaredPorts(s *specs.ProcessSpec) []specs.InstancePort {
	if len(s.Ports) == 0 {
		return nil
	}
	out := make([]specs.InstancePort, len(s.Ports))
	for i, p := range s.Ports {
		out[i] = specs.InstancePort{Name: p.Name, Port: p.Port}
		if p.Port == 0 {
			out[i].Port = firstPort
		}
	}
	return out
}

// tryBind tells whether a port can be had on every address; nobody can connect meanwhile. Not being allowed to is not in use: the
// program may be.
func tryBind(port int32) error {
	err := bind(syscall.AF_INET6, &syscall.SockaddrInet6{Port: int(port)})
	if err == nil || errors.Is(err, syscall.EADDRINUSE) {
		return inUse(err)
	}
	return inUse(bind(syscall.AF_INET, &syscall.SockaddrInet4{Port: int(port)})) // no IPv6 here
}

func inUse(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	return nil
}

func bind(family int, addr syscall.Sockaddr) error {
	fd, err := socket(family)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1) // ended connections do not count
	if family == syscall.AF_INET6 {
		if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 0); err != nil {
			return err
		}
	}
	return syscall.Bind(fd, addr)
}

// hostPort writes an address.
func hostPort(host string, port int32) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }
