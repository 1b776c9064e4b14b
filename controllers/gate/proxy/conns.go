package proxy

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"mirroros.dev/mirroros/controllers/gate/proxy/patient"
)

// conns are the connections of one gate.
type conns struct {
	most    int
	door    string // the instance in whose network the listener is; empty for none
	closing atomic.Bool

	mu   sync.Mutex
	all  map[*conn]struct{}
	gone *sync.Cond
}

// conn is a connection of a gate, and what is known of it.
type conn struct {
	patient.Conn
	gate *gateServer
	// idle since, in nanoseconds; 0 while a request is under way.
	idle atomic.Int64
	// handled: what is written is a handler's. Otherwise it is net/http that refuses what it cannot read, once: it closes the connection then.
	handled atomic.Bool
	refused bool
	once    sync.Once
	peer    *PeerProcess
}

// taking is a listener whose connections are conns.
type taking struct {
	net.Listener
	gate *gateServer
}

// Accept waits for the next connection.
func (t taking) Accept() (net.Conn, error) {
	c, err := t.Listener.Accept()
	if err != nil {
		return nil, err
	}
	n := &conn{gate: t.gate}
	n.Put(c)
	return n, nil
}

// Write sends what a handler says, and in place of what net/http says by itself the gate's own refusal.
func (c *conn) Write(p []byte) (int, error) {
	if c.handled.Load() {
		return c.Conn.Write(p)
	}
	if !c.refused {
		c.refused = true
		if _, err := c.Conn.Write(c.gate.unread(c, p)); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// changed follows a connection through its states.
func (cs *conns) changed(c net.Conn, state http.ConnState) {
	n := c.(*conn)
	switch state {
	case http.StateNew:
		cs.add(n)
	case http.StateActive:
		n.idle.Store(0)
	case http.StateIdle:
		n.handled.Store(false)
		n.idle.Store(time.Now().UnixNano())
	case http.StateClosed, http.StateHijacked:
		cs.remove(n)
	}
}

func (cs *conns) add(n *conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.all == nil {
		cs.all = map[*conn]struct{}{}
	}
	n.idle.Store(time.Now().UnixNano()) // it has asked for nothing yet
	cs.all[n] = struct{}{}
	if len(cs.all) > cs.most {
		cs.makeRoom(n)
	}
}

// makeRoom closes the connection that has idled longest, but not one that just came. Where none idles nothing is closed: the bound of requests
// holds those.
func (cs *conns) makeRoom(but *conn) {
	var oldest *conn
	var since int64
	for n := range cs.all {
		if idle := n.idle.Load(); idle != 0 && n != but && (oldest == nil || idle < since) {
			oldest, since = n, idle
		}
	}
	if oldest != nil {
		_ = oldest.Close()
	}
}

func (cs *conns) remove(n *conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	delete(cs.all, n)
	if len(cs.all) == 0 && cs.gone != nil {
		cs.gone.Broadcast()
	}
}

// wait returns when there is no connection.
func (cs *conns) wait() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.gone == nil {
		cs.gone = sync.NewCond(&cs.mu)
	}
	for len(cs.all) > 0 {
		cs.gone.Wait()
	}
}

// peer is the process at the other end of the connection of a request, or nil.
func (x *exchange) peer() *PeerProcess {
	c, _ := x.r.Context().Value(connKey{}).(*conn)
	switch {
	case c == nil:
		return nil
	case c.gate.conns.door != "":
		return &PeerProcess{Instance: c.gate.conns.door}
	case x.server.o.Peer == nil:
		return nil
	}
	c.once.Do(func() { c.peer = x.server.o.Peer(c.Conn.Conn) })
	return c.peer
}

// door is the instance by whose door a request came; empty for none.
func (x *exchange) door() string {
	if c, _ := x.r.Context().Value(connKey{}).(*conn); c != nil {
		return c.gate.conns.door
	}
	return ""
}

// peerName is where a request comes from, for the record and for conditions.
func (x *exchange) peerName() string {
	if door := x.door(); door != "" {
		return door
	}
	return peerName(x.r.RemoteAddr)
}

func peerName(address string) string {
	if address == "@" || address == "" {
		return "unix"
	}
	return address
}
