package upstream

import (
	"errors"
	"io"
	"math"
)

// untilEnd is the length of a body that ends with its connection.
const untilEnd = math.MaxInt64

// body reads an answer's body. When it has ended, or failed, the connection is in other hands.
type body struct {
	x      *exchange
	left   int64   // of a body without chunks
	chunks *chunks // of one with
	close  bool    // the connection is not for another request
	over   bool
	err    error // what further reads get; nil is io.EOF
}

// Read gives what there is without waiting for more. The end comes with the last bytes wherever it is known by then.
func (b *body) Read(p []byte) (int, error) {
	if b.over {
		return 0, b.ended()
	}
	if len(p) == 0 {
		return 0, nil
	}
	var n int
	var err error
	if b.chunks != nil {
		n, err = b.chunks.read(b, p)
	} else {
		n, err = b.plain(p)
	}
	if err == io.EOF {
		b.finish()
	} else if err != nil {
		b.fail(err)
	}
	if b.over && n > 0 && b.err != nil {
		return n, nil // the fault comes with the next read
	}
	if b.over {
		return n, b.ended()
	}
	return n, nil
}

func (b *body) ended() error {
	if b.err != nil {
		return b.err
	}
	return io.EOF
}

// plain reads a body without chunks.
func (b *body) plain(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.take(p)
	if b.left == untilEnd {
		return n, err
	}
	b.left -= int64(n)
	if b.left == 0 {
		return n, io.EOF
	}
	if err == io.EOF {
		err = errEarlyEnd
	}
	return n, err
}

// take gives what is in the buffer, else reads into p directly.
func (b *body) take(p []byte) (int, error) {
	c := b.x.conn
	if s := c.buffered(); len(s) > 0 {
		n := copy(p, s)
		c.r += n
		return n, nil
	}
	b.wait()
	n, err := c.Read(p)
	if n > 0 {
		err = nil // it will be there again
	}
	return n, err
}

// fill waits for more in the buffer.
func (b *body) fill() error {
	b.wait()
	err := b.x.conn.fill()
	if err == io.EOF {
		err = errEarlyEnd
	}
	return err
}

func (b *body) wait() {
	if b.x.idle > 0 {
		b.x.guard.read(b.x.idle)
	}
}

// finish is the end in order.
func (b *body) finish() {
	b.over = true
	b.x.release(!b.close)
}

// fail is any other end.
func (b *body) fail(err error) {
	b.err = newError(Answering, b.x.target, b.x.guard.why(err, errIdle))
	b.over = true
	b.x.abort()
}

// errBodyClosed is what Read gives after Close.
var errBodyClosed = errors.New("the body was closed")

// Close gives the connection back, or ends it when the body has not been read to its end.
func (b *body) Close() error {
	if !b.over {
		b.over, b.err = true, errBodyClosed
		b.x.abort()
	}
	return nil
}
