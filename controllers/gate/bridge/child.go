package bridge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
)

const (
	// maxLine bounds one message of a child, in bytes.
	maxLine = 16 << 20
	// queued messages wait for somebody to take them; the next ones are dropped.
	queued = 256
	// writePatience bounds the wait for a child to read, endPatience each step of its end: its stdin closed, SIGTERM, SIGKILL.
	writePatience = 10 * time.Second
	endPatience   = 2 * time.Second
)

// child is one stdio MCP server.
type child struct {
	cmd     *exec.Cmd
	in, out *os.File // our ends of its stdin and stdout
	stderr  io.Writer
	gone    chan struct{} // closed when the process has ended
	done    chan struct{} // closed when its output has ended too
	stream  chan []byte   // what belongs to no request

	writing sync.Mutex // one message at a time

	mu     sync.Mutex // guards what follows
	next   int64
	calls  map[string]*call // by the id that the child knows
	why    error            // of its end
	reaped bool             // its id may be another's
}

// call is a request under way.
type call struct {
	inner  string      // id at the child
	id     []byte      // id at the client
	token  []byte      // progressToken of the request, as JSON
	notes  chan []byte // what the child says before
	answer chan []byte
}

// startChild runs a server. A shared one has no stream: what it says that belongs to no request is for nobody.
func startChild(command []string, stderr io.Writer, shared bool) (*child, error) {
	stdin, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	out, stdout, err := os.Pipe()
	if err != nil {
		in.Close()
		return nil, err
	}
	defer stdout.Close()
	c := &child{cmd: exec.Command(command[0], command[1:]...), in: in, out: out, stderr: stderr,
		gone: make(chan struct{}), done: make(chan struct{}), calls: map[string]*call{}}
	if !shared {
		c.stream = make(chan []byte, queued)
	}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = stdin, stdout, stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that what it started ends with it
	c.cmd.WaitDelay = endPatience
	if err := c.cmd.Start(); err != nil {
		in.Close()
		out.Close()
		return nil, fmt.Errorf("cannot start %q: %w", command[0], err)
	}
	go c.reap()
	go c.read()
	return c, nil
}

// reap waits for the process. What it left behind may hold its output open: that is read a little longer and no more.
func (c *child) reap() {
	err := c.wait()
	if err == nil {
		err = errors.New("exit status 0")
	}
	c.mu.Lock()
	c.why = err
	c.mu.Unlock()
	_ = c.out.SetReadDeadline(time.Now().Add(endPatience / 2))
	close(c.gone)
}

// read takes messages until the output ends, and sees to it that the process does too.
func (c *child) read() {
	defer close(c.done)
	br := bufio.NewReaderSize(c.out, 64<<10)
	for {
		line, err := readLine(br)
		if len(line) > 0 && (err == nil || err == io.EOF) {
			c.take(line)
		}
		if err != nil {
			break
		}
	}
	c.out.Close()
	c.in.Close()
	c.until(c.gone)
}

// until waits for an end that must come by itself, and hastens it when it does not.
func (c *child) until(end <-chan struct{}) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		select {
		case <-end:
			return
		case <-time.After(endPatience):
			c.signal(sig)
		}
	}
	<-end
}

// signal tells the process and all that it started, as long as its id is surely its own.
func (c *child) signal(sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		_ = syscall.Kill(-c.cmd.Process.Pid, sig)
	}
}

func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		if line = append(line, part...); len(line) > maxLine {
			return nil, errors.New("a message is larger than 16 MiB")
		}
		if err != bufio.ErrBufferFull {
			return bytes.TrimSpace(line), err
		}
	}
}

// end has the child end and waits for it: its stdin is closed, then come SIGTERM and SIGKILL.
func (c *child) end() {
	c.in.Close()
	c.until(c.done)
}

// ended says why the child is no more.
func (c *child) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Errorf("the server has ended: %w", c.why)
}

// send writes one message, which becomes one line.
func (c *child) send(message []byte) error {
	line := append(bytes.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return ' ' // between tokens: strings have none
		}
		return r
	}, message), '\n')
	c.writing.Lock()
	defer c.writing.Unlock()
	_ = c.in.SetWriteDeadline(time.Now().Add(writePatience))
	if _, err := c.in.Write(line); err != nil {
		go c.end() // half a line is lost for ever
		return fmt.Errorf("the server does not read: %w", err)
	}
	return nil
}

// begin sends a request under an id of its own.
func (c *child) begin(message []byte, m parts) (*call, error) {
	c.mu.Lock()
	c.next++
	k := &call{inner: strconv.FormatInt(c.next, 10), id: m.id.Raw, token: m.token.Raw, notes: make(chan []byte, queued), answer: make(chan []byte, 1)}
	c.calls[k.inner] = k
	c.mu.Unlock()
	err := c.send(strict.Apply(message, []strict.Edit{m.id.Replace("id", []byte(k.inner))}))
	if err != nil {
		c.forget(k)
	}
	return k, err
}

func (c *child) forget(k *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.calls, k.inner)
}

// ask sends a request of ours and waits for the answer.
func (c *child) ask(ctx context.Context, message []byte) (parts, error) {
	m, err := read(message)
	if err != nil {
		return m, err
	}
	k, err := c.begin(message, m)
	if err != nil {
		return m, err
	}
	defer c.forget(k)
	select {
	case a := <-k.answer:
		return read(a)
	case <-c.done:
		return m, c.ended()
	case <-ctx.Done():
		return m, context.Cause(ctx)
	}
}

// take brings a message of the child to who it is for.
func (c *child) take(line []byte) {
	m, err := read(line)
	if err != nil {
		fmt.Fprintf(c.stderr, "mirrorgate bridge: the server wrote what is no message: %v\n", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.method == "" {
		if k := c.calls[string(m.id.Raw)]; k != nil {
			delete(c.calls, k.inner)
			k.answer <- strict.Apply(line, []strict.Edit{m.id.Replace("id", k.id)})
		}
		return
	}
	to := c.stream
	if k := c.belongs(m); k != nil {
		to = k.notes
		if m.subscription.Raw != nil {
			line = strict.Apply(line, []strict.Edit{m.subscription.Replace("subscriptionId", k.id)})
		}
	}
	if to == nil {
		return
	}
	select {
	case to <- line:
	default:
		fmt.Fprintf(c.stderr, "mirrorgate bridge: nobody takes %d messages of the server; one of method %q is dropped\n", queued, m.method)
	}
}

// belongs gives the request that a message says it belongs to. The caller holds mu.
func (c *child) belongs(m parts) *call {
	if m.subscription.Raw != nil {
		return c.calls[string(bytes.Trim(m.subscription.Raw, `"`))]
	}
	for _, k := range c.calls {
		if m.token.Raw != nil && bytes.Equal(m.token.Raw, k.token) {
			return k
		}
	}
	return nil
}

// inner gives the id under which the child knows a request of the client.
func (c *child) inner(id []byte) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.calls {
		if bytes.Equal(k.id, id) {
			return k.inner, true
		}
	}
	return "", false
}
