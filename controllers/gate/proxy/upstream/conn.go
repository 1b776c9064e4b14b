package upstream

import (
	"bytes"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// bufSize of a connection's buffer: enough for the head and body of most answers. A larger head makes it grow.
const bufSize = 4 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, bufSize); return &b }}

// conn is one connection to a backend. It has a buffer only while it is in use.
type conn struct {
	net.Conn
	// tcp is the connection below TLS and deadlines, raw its descriptor.
	tcp *net.TCPConn
	raw syscall.RawConn
	// look finds whether the connection is silent.
	look   func(fd uintptr)
	silent bool
	// written counts the bytes given to tcp.
	written *int64
	// reused: it has served a request before.
	reused bool
	// since when it is idle.
	since time.Time

	buf  *[]byte
	r, w int // what was read and not used: (*buf)[r:w]
}

func (c *conn) borrow() { c.buf, c.r, c.w = buffers.Get().(*[]byte), 0, 0 }

func (c *conn) giveBack() {
	if c.buf != nil && len(*c.buf) == bufSize {
		buffers.Put(c.buf)
	}
	c.buf = nil
}

// end closes the connection and lets go of its buffer.
func (c *conn) end() {
	c.Close()
	c.giveBack()
}

func (c *conn) buffered() []byte { return (*c.buf)[c.r:c.w] }

// fill reads once, into what is free of the buffer.
func (c *conn) fill() error {
	b := *c.buf
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
	if c.w == len(b) {
		if c.r == 0 {
			grown := make([]byte, 2*len(b))
			copy(grown, b)
			b, c.buf = grown, &grown
		} else {
			c.r, c.w = 0, copy(b, b[c.r:c.w])
		}
	}
	n, err := c.Read(b[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// readHead takes a head off the connection, the empty line at its end excluded. any says whether a byte of it came.
func (c *conn) readHead() (s string, any bool, err error) {
	for scanned := 0; ; {
		b := c.buffered()
		if !mayBeHTTP(b) {
			return "", true, errNoHTTP
		}
		if i := bytes.Index(b[scanned:], []byte("\r\n\r\n")); i >= 0 {
			end := scanned + i + 2
			if end > maxHead {
				return "", true, errHeadTooLarge
			}
			c.r += end + 2
			return string(b[:end]), true, nil
		}
		if len(b) > maxHead {
			return "", true, errHeadTooLarge
		}
		scanned = max(0, len(b)-3)
		if err := c.fill(); err != nil {
			if len(b) > 0 && err == io.EOF {
				err = errEarlyEnd
			}
			return "", len(b) > 0, err
		}
	}
}

// mayBeHTTP looks at the beginning, so that a server of another protocol is known before it has sent 64 KiB.
func mayBeHTTP(b []byte) bool {
	const begin = "HTTP/1."
	n := min(len(b), len(begin))
	return string(b[:n]) == begin[:n]
}
