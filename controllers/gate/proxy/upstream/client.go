package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"time"
)

// Client sends requests to backends. The zero value is ready, and good for many goroutines. Close it when it is done.
type Client struct {
	// MaxIdle connections to one target. Default 128.
	MaxIdle int
	// IdleTimeout after which an idle connection is closed. Default 60s.
	IdleTimeout time.Duration
	// TLS for https targets; ServerName and NextProtos are set by the client. Default: TLS 1.2 or later, verified with the system's roots.
	TLS *tls.Config

	pool pool
	// looked is called by tests after an idle connection was found alive.
	looked func()
}

// Close ends the idle connections, and each other when its answer ends. Requests may still be sent; their connections are not kept.
func (cl *Client) Close() { cl.pool.close() }

// Do sends one request and reads the head of its answer. An error is an *Error, and then nothing of the request is under way any more.
func (cl *Client) Do(ctx context.Context, t Target, r *Request) (*Response, error) {
	if err := r.check(t); err != nil {
		return nil, newError(Connecting, t, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, newError(Connecting, t, context.Cause(ctx))
	}
	if c := cl.pool.take(t.place()); c != nil {
		if cl.looked != nil {
			cl.looked()
		}
		resp, err := cl.try(ctx, c, t, r)
		if err == nil || !errors.Is(err, errUntaken) {
			return resp, err
		}
	}
	c, err := cl.dial(ctx, t, r.Connect)
	if err != nil {
		return nil, newError(Connecting, t, err)
	}
	return cl.try(ctx, c, t, r)
}

// errUntaken: the connection had died before, and the backend took nothing of the request.
var errUntaken = errors.New("the connection was dead already")

// try sends the request on c and reads the head of the answer.
func (cl *Client) try(ctx context.Context, c *conn, t Target, r *Request) (*Response, error) {
	x := &exchange{client: cl, target: t, conn: c, idle: r.Idle}
	x.guard.conn = c
	x.guard.watch(ctx)
	before := *c.written
	var sendErr error
	if r.Stream == nil && len(r.Body) <= small {
		sendErr = x.sendSmall(r, t)
	} else {
		x.sendLarge(r, t)
	}
	h, any, err := x.readHead(r)
	if err == nil {
		return x.answer(h, r)
	}
	phase := Answering
	if !any {
		err, phase = x.noAnswer(err, sendErr, before)
	}
	x.abort()
	return nil, newError(phase, t, err)
}

// noAnswer tells how a request ended that got not one byte of an answer. errUntaken is told only of what may be sent anew.
func (x *exchange) noAnswer(err, sendErr error, before int64) (error, Phase) {
	if err == io.EOF {
		err = errEarlyEnd
	}
	if why := x.guard.why(err, errFirstByte); why != err {
		err, sendErr = why, nil
	} else if x.upload == nil && x.untaken(err, before) {
		if x.conn.reused {
			err = errUntaken
		}
		return err, Connecting
	}
	switch {
	case x.guard.wasSent():
		return err, Waiting
	case sendErr != nil:
		return sendErr, Sending
	}
	return err, Sending
}

// untaken says that surely nothing of a request in one piece was taken: it could not be written, or the other side, which ended the
// connection in order, has acknowledged none of it.
func (x *exchange) untaken(err error, before int64) bool {
	return *x.conn.written == before || (err == errEarlyEnd && unacknowledged(x.conn.tcp, before))
}
