package upstream

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"reflect"
	"testing"
	"time"
)

// answerOf has the client read what a server says, and nothing else, to its end.
func answerOf(t *testing.T, method string, said []byte) (*Response, []byte, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	defer func() { l.Close(); <-done }()
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		http.ReadRequest(bufio.NewReader(c))
		c.Write(said)
	}()
	var cl Client
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	resp, err := cl.Do(ctx, Target{"http", l.Addr().String(), "x"}, &Request{Method: method, Path: "/"})
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// FuzzAnswer: what this client takes for a whole answer, the standard library takes for the same one. Being stricter is fine.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.0 404 Not Found\r\nA: b\r\na: c\r\n\r\nto the end",
		"HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nConnection: a, close\r\nA: b\r\nContent-Length:\t3 \r\n\r\nabc",
		"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\n folded\r\n\r\n", "HTTP/1.1 200 OK\nA: b\n\n",
	} {
		f.Add(false, []byte(s))
		f.Add(true, []byte(s))
	}
	f.Fuzz(func(t *testing.T, isHead bool, said []byte) {
		method := map[bool]string{true: "HEAD", false: "GET"}[isHead]
		if bytes.HasPrefix(said, []byte("HTTP/1.1 1")) {
			t.Skip("the standard reader gives interim answers, this one skips them")
		}
		resp, body, err := answerOf(t, method, said)
		if err != nil {
			return
		}
		std, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(said)), &http.Request{Method: method})
		if err != nil {
			t.Fatalf("only we read %q: %v", said, err)
		}
		stdBody, err := io.ReadAll(std.Body)
		if err != nil {
			t.Fatalf("only we read the body of %q: %v", said, err)
		}
		if resp.Status != std.StatusCode || !bytes.Equal(body, stdBody) {
			t.Fatalf("%q: %d %q, the standard library reads %d %q", said, resp.Status, body, std.StatusCode, stdBody)
		}
		for name, values := range resp.Header {
			if name != "Content-Length" && !reflect.DeepEqual(values, std.Header[name]) {
				t.Fatalf("%q: %s is %q, the standard library reads %q", said, name, values, std.Header[name])
			}
		}
		names := bytes.Contains(bytes.ToLower(said), []byte("connection:")) // that field may name others, which go with it
		for name := range std.Header {
			if resp.Header[name] == nil && !names && !ours(name) {
				t.Fatalf("%q: %s is missing", said, name)
			}
		}
	})
}
