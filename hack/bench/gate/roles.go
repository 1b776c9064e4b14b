package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
	"mirroros.dev/mirroros/reconcile/audit"
)

// child starts this program, or another build of it, in a role, and reads the address that it serves.
func child(program string, args ...string) (*exec.Cmd, string, error) {
	c := exec.Command(program, args...)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := c.Start(); err != nil {
		return nil, "", err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, "", fmt.Errorf("%s did not start: %w", args[0], err)
	}
	return c, strings.TrimSpace(line), nil
}

func listen() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	return l
}

// reply is what the backend answers: 732 bytes, or 32 events.
var reply = func() string {
	head := `{"id":"c","object":"chat.completion","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"`
	tail := `"}}],"usage":{"prompt_tokens":200,"completion_tokens":64,"total_tokens":264}}`
	return head + strings.Repeat("m", 732-len(head)-len(tail)) + tail
}()

func runBackend() {
	event := `data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"mirror"}}],"usage":null}` + "\n\n"
	l := listen()
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), `"stream":true`) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", strconv.Itoa(len(reply)))
			_, _ = io.WriteString(w, reply)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for range 32 {
			_, _ = io.WriteString(w, event)
			w.(http.Flusher).Flush()
		}
		_, _ = io.WriteString(w, `data: {"choices":[],"usage":{"prompt_tokens":200,"completion_tokens":64}}`+"\n\ndata: [DONE]\n\n")
	}))
}

// config has a token, three rules and an audit log.
func config(backend string, durable bool) (*proxy.Config, *proxy.Endpoints, *proxy.Identities) {
	sum := sha256.Sum256([]byte(token))
	return &proxy.Config{Number: 1, Gates: []proxy.GateConfig{{
			Name: "front", Listener: "front", Tokens: true, MaxBodyBytes: 32 << 20, MaxConcurrent: 1024, Durable: durable, Audit: "Digests",
			Routes: []proxy.RouteConfig{{Name: "chat", Protocol: proxy.OpenAI, Locality: proxy.LocalFirst, Models: []string{"house-chat"},
				Backends:   []proxy.BackendConfig{{Name: "process/demo", Endpoints: "demo:http", Model: "qwen3:8b", Weight: 1}},
				FallbackOn: []string{"NotReady", "ConnectError"}, Connect: 2 * time.Second, FirstByte: 2 * time.Minute, Idle: time.Minute,
				MaxOutputTokens: 8192}},
			Rules: []proxy.RuleConfig{
				{Name: "no-night-work", Priority: 10, All: true, Action: "Deny", When: `principal.type == "Human" && time.getHours() < 1`},
				{Name: "small-only", Priority: 20, All: true, Action: "Deny", When: `llm.maxTokens > 4096 || llm.model.startsWith("big")`},
				{Name: "agents-may-chat", Priority: 100, Types: []string{"Agent"}, Routes: []string{"chat"}, Action: "Allow",
					When: `request.size < 100000 && "code" in principal.labels.map(k, principal.labels[k])`},
			},
		}}}, &proxy.Endpoints{Number: 1, Ready: map[string][]string{"demo:http": {backend}}},
		&proxy.Identities{Number: 1, Principals: []proxy.PrincipalEntry{{Name: "coder", Type: "Agent", Labels: map[string]string{"team": "code"}}},
			Tokens: []proxy.TokenEntry{{ID: "t", SHA256: hex.EncodeToString(sum[:]), Principal: "coder", Expires: time.Now().Add(time.Hour)}}}
}

func runGate(args []string) {
	set := flag.NewFlagSet("proxy", flag.ExitOnError)
	backend, dir, sync := set.String("backend", "", ""), set.String("dir", "", ""), set.Bool("sync", false, "")
	cpu := set.String("profile", "", "")
	_ = set.Parse(args)
	if err := serveGate(*backend, filepath.Join(*dir, "audit-"+strconv.FormatBool(*sync)), *sync, *cpu); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serveGate(backend, dir string, sync bool, cpu string) error {
	if cpu != "" {
		f, err := os.Create(cpu + strconv.FormatBool(sync))
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer func() {
			pprof.StopCPUProfile()
			if err := writeAllocations(cpu + strconv.FormatBool(sync) + ".allocs"); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
	log, err := audit.Open(audit.Options{Dir: dir, Writer: "gate", KeyFile: dir + ".key"})
	if err != nil {
		return err
	}
	client := &upstream.Client{}
	s := proxy.New(proxy.Options{Audit: log, Client: client})
	if err := s.Update(config(backend, sync)); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = s.Serve(ctx, map[string]net.Listener{"front": listen()})
	client.Close()
	return errors.Join(err, log.Close())
}

// writeAllocations says what was allocated, and where.
func writeAllocations(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}

// resident is the memory of a process, in MiB.
func resident(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		var kib float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kib); n == 1 {
			return kib / 1024
		}
	}
	return 0
}
