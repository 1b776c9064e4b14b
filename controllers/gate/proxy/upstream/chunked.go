package upstream

import (
	"bytes"
	"io"
	"math"
)

// chunks reads a chunked body. A chunk's size is in up to 15 hexadecimal digits, without extensions; lines end with CR LF.
type chunks struct {
	left   int64 // of the chunk that is being read
	within bool  // the CR LF after a chunk's data is due
	last   bool  // the chunk of size 0 was read: the trailer is due
}

// read gives data of one or more chunks: it waits only while there is none yet. With the last data it reads on to the end if that is there.
func (k *chunks) read(b *body, p []byte) (n int, err error) {
	for {
		if k.left > 0 {
			if n == len(p) || (n > 0 && len(b.x.conn.buffered()) == 0) {
				return n, nil
			}
			q := p[n:]
			if int64(len(q)) > k.left {
				q = q[:k.left]
			}
			m, err := k.data(b, q)
			n += m
			k.left -= int64(m)
			if err != nil {
				return n, err
			}
			continue
		}
		done, err := k.frame(b)
		switch {
		case err != nil:
			return n, err
		case done:
			continue
		case n > 0: // what frames the next chunk has not come
			return n, nil
		}
		if err := b.fill(); err != nil {
			return n, err
		}
	}
}

func (k *chunks) data(b *body, p []byte) (int, error) {
	m, err := b.take(p)
	if err == io.EOF {
		err = errEarlyEnd
	}
	return m, err
}

// frame takes one line of the framing off the buffer, if it is there whole. io.EOF is the end of the body.
func (k *chunks) frame(b *body) (done bool, err error) {
	c := b.x.conn
	s := c.buffered()
	switch {
	case k.within:
		if len(s) > 0 && s[0] != '\r' || len(s) > 1 && s[1] != '\n' {
			return false, malformed("a chunk's end")
		}
		if len(s) < 2 {
			return false, nil
		}
		c.r += 2
		k.within = false
		return true, nil
	case k.last:
		return false, k.trailer(b)
	}
	size, used, err := chunkSize(s)
	if err != nil || used == 0 {
		return false, err
	}
	c.r += used
	k.left, k.within, k.last = size, size > 0, size == 0
	return true, nil
}

// trailer reads the fields after the last chunk, up to the empty line.
func (k *chunks) trailer(b *body) error {
	c := b.x.conn
	s := c.buffered()
	if len(s) < 2 {
		return nil
	}
	if string(s[:2]) == "\r\n" {
		c.r += 2
		return io.EOF
	}
	i := bytes.Index(s, []byte("\r\n\r\n"))
	if i > maxHead || (i < 0 && len(s) > maxHead) {
		return errHeadTooLarge
	}
	if i < 0 {
		return nil
	}
	fields, err := parseFields(string(s[:i+2]))
	if err != nil {
		return err
	}
	for _, name := range [...]string{"Content-Length", "Transfer-Encoding", "Connection", "Trailer", "Host"} {
		if fields[name] != nil {
			return malformed("a trailer with " + name)
		}
	}
	b.x.resp.Trailer = fields
	c.r += i + 4
	return io.EOF
}

// chunkSize reads a line of hexadecimal digits. used is 0 when the line is not whole.
func chunkSize(s []byte) (size int64, used int, err error) {
	for i, c := range s {
		switch {
		case c >= '0' && c <= '9':
			size = size<<4 | int64(c-'0')
		case c >= 'a' && c <= 'f':
			size = size<<4 | int64(c-'a'+10)
		case c >= 'A' && c <= 'F':
			size = size<<4 | int64(c-'A'+10)
		case c == '\r' && i > 0:
			if i+1 == len(s) {
				return 0, 0, nil
			}
			if s[i+1] != '\n' {
				return 0, 0, malformed("a chunk's size")
			}
			return size, i + 2, nil
		default:
			return 0, 0, malformed("a chunk's size")
		}
		if i == 15 || size > math.MaxInt64>>4 {
			return 0, 0, malformed("a chunk's size")
		}
	}
	return 0, 0, nil
}
