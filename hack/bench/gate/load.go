package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// result of one measurement. Times are in microseconds: to the end of an answer, for streams to its first byte.
type result struct {
	n, failed, cut int
	p50, p99       int
	rate           float64
}

const token = "bench-token-0123456789abcdef"

// call is the request as it goes on the wire: a prompt of 1 KiB.
func call(addr string, stream bool) []byte {
	body := fmt.Sprintf(`{"model":"house-chat","max_tokens":64,"stream":%v,"messages":[{"role":"user","content":%q}]}`, stream, strings.Repeat("all work and no play ", 49))
	return fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
		"Accept: application/json\r\nUser-Agent: bench\r\nContent-Length: %d\r\n\r\n%s", addr, token, len(body), body)
}

// load calls as fast as it goes for a time, or, with most above 0, that often.
func load(addr string, connections int, stream bool, span time.Duration, most int) result {
	var mu sync.Mutex
	var all sync.WaitGroup
	var r result
	var times []int
	var left atomic.Int64
	left.Store(int64(most))
	begin := time.Now()
	for range connections {
		all.Go(func() {
			mine, n, failed, cut := drive(addr, stream, begin.Add(span), func() bool { return most == 0 || left.Add(-1) >= 0 })
			mu.Lock()
			defer mu.Unlock()
			times = append(times, mine...)
			r.n, r.failed, r.cut = r.n+n, r.failed+failed, r.cut+cut
		})
	}
	all.Wait()
	r.rate = float64(r.n) / time.Since(begin).Seconds()
	if slices.Sort(times); len(times) > 0 {
		r.p50, r.p99 = times[len(times)/2], times[len(times)*99/100]
	}
	return r
}

// drive is one connection, opened again when it breaks.
func drive(addr string, stream bool, until time.Time, more func() bool) (times []int, n, failed, cut int) {
	req := call(addr, stream)
	var c net.Conn
	var r *bufio.Reader
	for time.Now().Before(until) && more() {
		if c == nil {
			var err error
			if c, err = net.Dial("tcp", addr); err != nil {
				return times, n, failed + 1, cut
			}
			r = bufio.NewReaderSize(c, 32<<10)
		}
		begin := time.Now()
		if _, err := c.Write(req); err != nil {
			failed++
			c = nil
			continue
		}
		first, err := answer(r, stream)
		switch {
		case errors.Is(err, errCut):
			cut++
			_ = c.Close()
			c = nil
			continue
		case err != nil:
			failed++
			_ = c.Close()
			c = nil
			continue
		}
		if !stream {
			first = time.Now()
		}
		times = append(times, int(first.Sub(begin).Microseconds()))
		n++
	}
	if c != nil {
		_ = c.Close()
	}
	return times, n, failed, cut
}

var errCut = errors.New("the stream ended early")

// answer reads one answer and gives the time of the first byte of its body.
func answer(r *bufio.Reader, stream bool) (first time.Time, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return first, err
	}
	if !bytes.Contains(line, []byte(" 200 ")) {
		return first, fmt.Errorf("answered %q", line)
	}
	length, chunked := 0, false
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return first, err
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("content-length")):
			length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		case bytes.EqualFold(name, []byte("transfer-encoding")):
			chunked = true
		}
	}
	if _, err := r.Peek(1); err != nil {
		return first, errCut
	}
	first = time.Now()
	if !chunked {
		_, err := r.Discard(length)
		return first, err
	}
	return first, chunks(r, stream)
}

// chunks reads a body of chunks to its end, which for a stream is [DONE].
func chunks(r *bufio.Reader, stream bool) error {
	done := !stream
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return errCut
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return errCut
		}
		data, err := r.Peek(int(n) + 2)
		if err != nil {
			return errCut
		}
		done = done || bytes.Contains(data, []byte("[DONE]"))
		if _, err := r.Discard(int(n) + 2); err != nil {
			return errCut
		}
		if n == 0 {
			if !done {
				return errCut
			}
			return nil
		}
	}
}

// open holds connections that each had one answer.
func open(addr string, n int) (hold []net.Conn, err error) {
	req := call(addr, false)
	for range n {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return hold, err
		}
		hold = append(hold, c)
		if _, err := c.Write(req); err != nil {
			return hold, err
		}
		if _, err := answer(bufio.NewReader(c), false); err != nil && err != io.EOF {
			return hold, err
		}
	}
	return hold, nil
}
