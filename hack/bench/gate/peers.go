package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// peers are measured where they are installed, each with a check of the token and nothing else.
var peers = []peer{
	{"haproxy", func(dir, listen, backend string) (string, []string) {
		return fmt.Sprintf("global\n  nbthread 2\ndefaults\n  mode http\n  option http-keep-alive\n  http-reuse always\n  timeout connect 2s\n  timeout client 60s\n"+
			"  timeout server 60s\nfrontend f\n  bind %s\n  http-request deny deny_status 401 unless { req.hdr(authorization) -m str \"Bearer %s\" }\n"+
			"  default_backend b\nbackend b\n  server s %s\n", listen, token, backend), []string{"haproxy", "-db", "-f", filepath.Join(dir, "haproxy")}
	}},
	{"nginx", func(dir, listen, backend string) (string, []string) {
		return fmt.Sprintf("worker_processes 2;\ndaemon off;\nerror_log stderr;\npid %[1]s/pid;\nevents { worker_connections 1024; }\nhttp {\n  access_log off;\n"+
				"  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;\n"+
				"  upstream b { server %[3]s; keepalive 128; }\n  server {\n    listen %[2]s; keepalive_requests 100000000;\n    location / {\n"+
				"      if ($http_authorization != \"Bearer %[4]s\") { return 401; }\n      proxy_pass http://b; proxy_http_version 1.1;\n"+
				"      proxy_set_header Connection \"\"; proxy_buffering off;\n    }\n  }\n}\n", dir, listen, backend, token),
			[]string{"nginx", "-p", dir, "-c", filepath.Join(dir, "nginx")}
	}},
}

type peer struct {
	name   string
	config func(dir, listen, backend string) (text string, args []string)
}

// start gives nothing where the peer is not installed or does not come up.
func (p peer) start(dir, backend string) (*exec.Cmd, string) {
	if _, err := exec.LookPath(p.name); err != nil {
		return nil, ""
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, ""
	}
	addr := l.Addr().String()
	_ = l.Close()
	text, args := p.config(dir, addr, backend)
	if err := os.WriteFile(filepath.Join(dir, p.name), []byte(text), 0o600); err != nil {
		return nil, ""
	}
	c := exec.Command(args[0], args[1:]...)
	if err := c.Start(); err != nil {
		return nil, ""
	}
	for range 100 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			_ = conn.Close()
			return c, addr
		}
		time.Sleep(20 * time.Millisecond)
	}
	fmt.Fprintf(os.Stderr, "%s did not come up\n", p.name)
	_ = c.Process.Kill()
	_ = c.Wait()
	return nil, ""
}
