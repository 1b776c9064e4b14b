package upstream

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	// piece is how much of a stream is sent at once.
	piece = 32 << 10
	// settleTime bounds the wait for the last piece to go out when the answer has ended.
	settleTime = time.Second
)

// upload sends a large body or a stream while the answer may begin.
type upload struct {
	stream io.Reader
	// lastPiece: what is being written now is the end.
	lastPiece atomic.Bool
	done      chan struct{}
	err       error // readable after done
}

// sendLarge sends head and body from another goroutine, which release waits for, or hurries.
func (x *exchange) sendLarge(r *Request, t Target) {
	x.guard.read(0)
	x.guard.write(r.Idle)
	u := &upload{stream: r.Stream, done: make(chan struct{})}
	x.upload = u
	head := r.appendHead(nil, t)
	go func() {
		defer close(u.done)
		if _, u.err = x.conn.Write(head); u.err == nil {
			u.err = u.send(x, r)
		}
		if u.err == nil {
			x.guard.sentAll(r.FirstByte)
		} else if errors.Is(u.err, os.ErrDeadlineExceeded) {
			x.guard.fail(errIdle)
		} // else the connection is dead, and who reads the answer finds what there is
	}()
}

func (u *upload) send(x *exchange, r *Request) error {
	switch {
	case r.Stream == nil:
		return u.whole(x, r.Body)
	case r.Length < 0:
		return u.chunked(x)
	}
	return u.counted(x, r.Length)
}

func (u *upload) whole(x *exchange, b []byte) error {
	const most = 256 << 10 // so that the idle timeout tells slow from stuck
	for len(b) > 0 {
		n := min(len(b), most)
		u.lastPiece.Store(n == len(b))
		x.guard.write(x.idle)
		if _, err := x.conn.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// counted sends exactly length bytes; a stream that has fewer ends the exchange.
func (u *upload) counted(x *exchange, length int64) error {
	buf := make([]byte, min(piece, max(length, 1)))
	for length > 0 {
		n, err := u.stream.Read(buf[:min(int64(len(buf)), length)])
		if length -= int64(n); n > 0 {
			u.lastPiece.Store(length == 0)
			x.guard.write(x.idle)
			if _, err := x.conn.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err != nil && length > 0 {
			return x.streamFailed(err, fmt.Sprintf("%d bytes are missing", length))
		}
	}
	return nil
}

func (u *upload) chunked(x *exchange) error {
	const front = 16 // the longest size with its CR LF fits
	buf := make([]byte, front+piece+7)
	for {
		n, err := u.stream.Read(buf[front : front+piece])
		if err != nil && err != io.EOF {
			return x.streamFailed(err, "")
		}
		out := buf[front:front]
		if n > 0 {
			size := strconv.AppendInt(buf[:0:front-2], int64(n), 16)
			copy(buf[front-2:], "\r\n")
			begin := front - 2 - len(size)
			copy(buf[begin:], size)
			out = append(buf[begin:front+n], "\r\n"...)
		}
		if err == io.EOF {
			out = append(out, "0\r\n\r\n"...)
			u.lastPiece.Store(true)
		}
		if len(out) > 0 {
			x.guard.write(x.idle)
			if _, werr := x.conn.Write(out); werr != nil {
				return werr
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

// streamFailed ends the exchange: half a request must not look like a whole one.
func (x *exchange) streamFailed(err error, what string) error {
	if err == io.EOF {
		err = errors.New(what)
	}
	err = fmt.Errorf("cannot read the request's body: %w", err)
	x.guard.fail(err)
	return err
}

// settle ends the upload when the answer is over, and says whether the request went out whole. An answer that came early leaves the rest
// unsent.
func (u *upload) settle(x *exchange) bool {
	select {
	case <-u.done:
		return u.err == nil
	default:
	}
	if u.lastPiece.Load() {
		x.guard.write(settleTime)
		<-u.done
		return u.err == nil
	}
	x.guard.fail(errEarlyAnswer)
	if closer, ok := u.stream.(io.Closer); ok {
		closer.Close()
		<-u.done
	} else if u.stream == nil {
		<-u.done
	}
	return false
}

var errEarlyAnswer = errors.New("the answer ended before the request")
