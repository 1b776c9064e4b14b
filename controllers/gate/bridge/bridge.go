package bridge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"mirroros.dev/mirroros/controllers/gate/proxy/mcp"
	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
)

const (
	maxBody = 16 << 20
	// probeTime bounds the wait for the answer to server/discover; a server that does not know it may say nothing.
	probeTime = 5 * time.Second
)

var (
	errNoObject = errors.New("it is no object")
	errFull     = errors.New("there are as many sessions as there may be")
	errClosed   = errors.New("the bridge ends")
)

type options struct {
	Command     []string
	MaxSessions int
	Idle        time.Duration
	Stderr      io.Writer
}

// bridge is the handler.
type bridge struct {
	o options

	mu       sync.Mutex // guards what follows
	sessions map[string]*session
	closed   bool
	starting int // sessions that have a place and no child yet

	probe  sync.Mutex // guards what follows, also while a child is asked
	shared *child     // of requests of 2026-07-28
	legacy bool       // the server does not know that version
}

// session is a client's, with its child.
type session struct {
	*child
	id    string
	mu    sync.Mutex // guards what follows
	busy  int        // requests and streams under way
	timer *time.Timer
	taken bool // the stream has a reader
}

func newBridge(o options) *bridge {
	if _, ok := o.Stderr.(*os.File); !ok {
		o.Stderr = &oneAtATime{w: o.Stderr} // each child writes by itself
	}
	return &bridge{o: o, sessions: map[string]*session{}}
}

// oneAtATime lets many write.
type oneAtATime struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *oneAtATime) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(p)
}

// close ends every child, all at once, and waits for them.
func (b *bridge) close() {
	b.mu.Lock()
	b.closed = true
	all := b.sessions
	b.sessions = map[string]*session{}
	b.mu.Unlock()
	var ending sync.WaitGroup
	for _, s := range all {
		s.timer.Stop()
		ending.Go(s.end)
	}
	b.probe.Lock()
	defer b.probe.Unlock()
	if b.shared != nil {
		ending.Go(b.shared.end)
	}
	ending.Wait()
}

func (b *bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !local(r) {
		http.Error(w, "this is for programs on this host", http.StatusForbidden)
		return
	}
	switch r.Method {
	case http.MethodPost:
		b.post(w, r)
	case http.MethodGet:
		b.get(w, r)
	case http.MethodDelete:
		if s := b.find(w, r); s != nil {
			b.remove(s)
			w.WriteHeader(http.StatusNoContent)
		}
	default:
		w.Header().Set("Allow", "POST, GET, DELETE")
		http.Error(w, "POST, GET or DELETE", http.StatusMethodNotAllowed)
	}
}

// local refuses what a web page made a browser send.
func local(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	if !isLoopback(host) {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// post takes one message.
func (b *bridge) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "cannot read the body: "+err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	op, fault := mcp.Parse(r.Header, body)
	if fault != nil {
		writeJSON(w, fault.Status, fault.Body())
		return
	}
	if op.Modern {
		b.modern(w, r, op, body)
		return
	}
	var s *session
	if op.Method == "initialize" && r.Header.Get("Mcp-Session-Id") == "" {
		if s, err = b.open(); err != nil {
			w.Header().Set("Retry-After", "1")
			f := mcp.Refused(op, http.StatusServiceUnavailable, err.Error(), "")
			writeJSON(w, f.Status, f.Body())
			return
		}
		w.Header().Set("Mcp-Session-Id", s.id)
	} else if s = b.find(w, r); s == nil {
		return
	}
	defer s.use(b.o.Idle)()
	x := &exchange{w: w, r: r, op: op, child: s.child, session: s}
	if x.serve(body); op.Method == "initialize" && !x.succeeded {
		b.remove(s)
	}
}

// get is the stream of what a session's child says by itself.
func (b *bridge) get(w http.ResponseWriter, r *http.Request) {
	s := b.find(w, r)
	if s == nil {
		return
	}
	if !s.take() {
		http.Error(w, "the session has a stream", http.StatusConflict)
		return
	}
	defer s.leave()
	defer s.use(b.o.Idle)()
	x := &exchange{w: w, r: r, child: s.child}
	x.begin()
	for {
		select {
		case m := <-s.stream:
			x.event(m)
		case <-s.done:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// find gives the session that a request names, or answers it.
func (b *bridge) find(w http.ResponseWriter, r *http.Request) *session {
	id := r.Header.Get("Mcp-Session-Id")
	if id == "" {
		http.Error(w, "Mcp-Session-Id is missing: begin with initialize", http.StatusBadRequest)
		return nil
	}
	b.mu.Lock()
	s := b.sessions[id]
	b.mu.Unlock()
	if s == nil {
		http.Error(w, "there is no such session", http.StatusNotFound)
	}
	return s
}

// open starts a session.
func (b *bridge) open() (*session, error) {
	b.mu.Lock()
	if b.closed || len(b.sessions)+b.starting >= b.o.MaxSessions {
		defer b.mu.Unlock()
		if b.closed {
			return nil, errClosed
		}
		return nil, errFull
	}
	b.starting++
	b.mu.Unlock()
	c, err := startChild(b.o.Command, b.o.Stderr, false)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.starting--; err != nil {
		return nil, err
	}
	if b.closed {
		go c.end()
		return nil, errClosed
	}
	s := &session{child: c, id: rand.Text()}
	s.timer = time.AfterFunc(b.o.Idle, func() { b.idle(s) })
	b.sessions[s.id] = s
	go func() { <-c.done; b.remove(s) }()
	return s, nil
}

// remove ends a session.
func (b *bridge) remove(s *session) {
	b.mu.Lock()
	known := b.sessions[s.id] == s
	delete(b.sessions, s.id)
	b.mu.Unlock()
	if known {
		s.timer.Stop()
		s.end()
	}
}

// idle ends a session that nobody uses.
func (b *bridge) idle(s *session) {
	s.mu.Lock()
	unused := s.busy == 0
	s.mu.Unlock()
	if unused {
		b.remove(s)
	}
}

// use keeps the session until the caller calls what it gives.
func (s *session) use(idle time.Duration) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy++
	s.timer.Stop()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.busy--; s.busy == 0 {
			s.timer.Reset(idle)
		}
	}
}

func (s *session) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.taken
	s.taken = true
	return !was
}

func (s *session) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = false
}

func (s *session) hasStream() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

// modern serves a request of 2026-07-28.
func (b *bridge) modern(w http.ResponseWriter, r *http.Request, op mcp.Operation, body []byte) {
	c, err := b.modernChild(r.Context())
	switch {
	case err != nil:
		f := mcp.Refused(op, http.StatusServiceUnavailable, err.Error(), "")
		writeJSON(w, f.Status, f.Body())
	case c == nil: // no JSON: that is how a client knows that it must begin a session
		http.Error(w, "the server is of an earlier version: begin with initialize", http.StatusBadRequest)
	default:
		(&exchange{w: w, r: r, op: op, child: c}).serve(body)
	}
}

const discover = `{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"` + mcp.Modern +
	`","io.modelcontextprotocol/clientInfo":{"name":"mirrorgate-bridge","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`

// modernChild gives the child that requests without a session share; nil when the server does not know them.
func (b *bridge) modernChild(ctx context.Context) (*child, error) {
	b.probe.Lock()
	defer b.probe.Unlock()
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	if b.legacy {
		return nil, nil
	}
	if b.shared != nil {
		select {
		case <-b.shared.done:
		default:
			return b.shared, nil
		}
	}
	c, err := startChild(b.o.Command, b.o.Stderr, true)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	answer, err := c.ask(ctx, []byte(discover))
	if err == nil && (!answer.failed || answer.code >= 32020 && answer.code <= 32099) {
		b.shared = c
		return c, nil
	}
	c.end()
	b.legacy = b.shared == nil // one that was modern before has only failed to start
	if !b.legacy {
		return nil, fmt.Errorf("the server did not start: %v", err)
	}
	return nil, nil
}

// cancelled gives the notification that ends a request at the child.
func cancelled(id string) []byte {
	return []byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + id + `,"reason":"the client left"}}`)
}

// renamed replaces the id of the request that a cancellation is of; ok is false when there is no such request.
func renamed(c *child, message []byte) (_ []byte, ok bool) {
	m, err := read(message)
	if err != nil || m.requestID.Raw == nil {
		return nil, false
	}
	inner, ok := c.inner(m.requestID.Raw)
	return strict.Apply(message, []strict.Edit{m.requestID.Replace("requestId", []byte(inner))}), ok
}
