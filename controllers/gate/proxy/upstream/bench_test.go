package upstream

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// benchServer answers 732 bytes of JSON to a request of 1 KiB, and does no more than that, so that the client is what is measured.
func benchServer(b *testing.B) (*url.URL, []byte) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	body := bytes.Repeat([]byte("y"), 1024)
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 732\r\n\r\n" +
		`{"a":"` + strings.Repeat("x", 724) + `"}`)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 4096)
				for n := 0; ; {
					m, err := c.Read(buf[n:])
					if err != nil {
						return
					}
					if n += m; n > len(body) && bytes.HasSuffix(buf[:n], body) {
						c.Write(answer)
						n = 0
					}
				}
			}()
		}
	}()
	return &url.URL{Scheme: "http", Host: l.Addr().String()}, body
}

func header() http.Header {
	return http.Header{"Content-Type": {"application/json"}, "Accept": {"*/*"}, "User-Agent": {"bench/1"}, "X-Request-Id": {"0123456789ABCDEF"}}
}

func each(b *testing.B, parallel int, f func() error) {
	b.ReportAllocs()
	if parallel == 1 {
		for b.Loop() {
			if err := f(); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
	b.SetParallelism(parallel)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := f(); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkClient(b *testing.B) {
	for name, parallel := range map[string]int{"c1": 1, "c64": 32} {
		b.Run(name, func(b *testing.B) {
			u, body := benchServer(b)
			var cl Client
			defer cl.Close()
			t := TargetOf(u)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			each(b, parallel, func() error {
				resp, err := cl.Do(ctx, t, &Request{Method: "POST", Path: "/v1/x", Header: header(), Body: body,
					Connect: time.Second, FirstByte: time.Minute, Idle: time.Minute})
				if err != nil {
					return err
				}
				_, err = io.Copy(io.Discard, resp.Body)
				return err
			})
		})
	}
}

func BenchmarkStandardTransport(b *testing.B) {
	for name, parallel := range map[string]int{"c1": 1, "c64": 32} {
		b.Run(name, func(b *testing.B) {
			u, body := benchServer(b)
			tr := &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true, ResponseHeaderTimeout: time.Minute,
				DialContext: (&net.Dialer{Timeout: time.Second}).DialContext}
			defer tr.CloseIdleConnections()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			each(b, parallel, func() error {
				r, _ := http.NewRequestWithContext(ctx, "POST", u.String()+"/v1/x", bytes.NewReader(body))
				r.Header = header()
				resp, err := tr.RoundTrip(r)
				if err != nil {
					return err
				}
				defer resp.Body.Close()
				_, err = io.Copy(io.Discard, resp.Body)
				return err
			})
		})
	}
}
