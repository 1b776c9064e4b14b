package proxy_test

import (
	"io"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
)

var _ = Describe("A session of MCP", func() {
	const header = "Mcp-Session-Id"
	const begin = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`
	const list = `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`
	// server notes the sessions that it is asked for, and begins the one that it is told to.
	server := func(name string) *model {
		return newModel(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if r.Header.Get(header) == "" {
				w.Header().Set(header, name)
			}
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}`)
		})
	}
	gate := func(m *model, key string) *world {
		return newWorld(m.address(), func(w *world) {
			route(proxy.RouteConfig{Protocol: proxy.MCP, Path: "/mcp"}, everybody)(w)
			w.gate().Routes = append(w.gate().Routes, w.gate().Routes[0])
			w.gate().Routes[1].Name, w.gate().Routes[1].Path = "other", "/other"
			w.key = []byte(strings.Repeat(key, 32))
		})
	}
	ask := func(w *world, method, path, token, body string, sessions ...string) reply {
		GinkgoHelper()
		r := w.request(method, path, body)
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Accept", "application/json, text/event-stream")
		r.Header[header] = sessions
		return w.do(r)
	}

	It("is good for whom it was given to, on its route, and unknown to everybody else", func() {
		m := server("inner-1")
		w := gate(m, "k")
		got := ask(w, "POST", "/mcp", "coder-token", begin)
		Expect(got.StatusCode).To(Equal(200), got.body)
		id := got.Header.Get(header)
		Expect(id).To(MatchRegexp(`^[\w-]{22}\.inner-1$`))

		Expect(ask(w, "POST", "/mcp", "coder-token", list, id).StatusCode).To(Equal(200))
		_, seen, _ := m.last()
		Expect(seen.Get(header)).To(Equal("inner-1"), "the server sees its own name of it")
		Expect(seen).NotTo(HaveKey("Authorization"))

		calls := m.calls()
		for _, r := range []reply{
			ask(w, "POST", "/mcp", "scout-token", list, id),
			ask(w, "GET", "/mcp", "scout-token", "", id),
			ask(w, "DELETE", "/mcp", "scout-token", "", id),
			ask(w, "POST", "/other", "coder-token", list, id),
			ask(w, "POST", "/mcp", "coder-token", list, "inner-1"),
			ask(w, "POST", "/mcp", "coder-token", list, ""),
			ask(w, "POST", "/mcp", "coder-token", list, "."),
			ask(w, "POST", "/mcp", "coder-token", list, id+"x"),
			ask(w, "POST", "/mcp", "coder-token", list, "x"+id),
			ask(w, "POST", "/mcp", "coder-token", list, strings.Repeat("a", 22)+".inner-1"),
			ask(w, "POST", "/mcp", "coder-token", list, id+strings.Repeat("x", 2000)),
		} {
			Expect(r.StatusCode).To(Equal(404), r.body)
			Expect(r.reason()).To(Equal("UnknownSession"))
			Expect(object(r.body)).To(HaveKeyWithValue("error", ContainSubstring("begin another with initialize")))
			Expect(w.book.of(r.id())).To(ConsistOf(And(HaveField("Decision", "Refused"), HaveField("Stage", 3), HaveField("Status", 404))))
		}
		Expect(ask(w, "POST", "/mcp", "coder-token", list, id, id).reason()).To(Equal("BadHeader"))
		Expect(m.calls()).To(Equal(calls), "no server hears of it")
		Expect(ask(w, "DELETE", "/mcp", "coder-token", "", id).StatusCode).To(Equal(200))
	})

	It("outlives the gate, by its key alone", func() {
		m := server("inner-2")
		id := ask(gate(m, "k"), "POST", "/mcp", "coder-token", begin).Header.Get(header)
		again := gate(m, "k")
		Expect(ask(again, "POST", "/mcp", "coder-token", list, id).StatusCode).To(Equal(200))
		Expect(ask(again, "POST", "/mcp", "scout-token", list, id).StatusCode).To(Equal(404))
		Expect(ask(gate(m, "another"), "POST", "/mcp", "coder-token", list, id).StatusCode).To(Equal(404))
	})

	It("has a name that can be taken again, or none", func() {
		for _, name := range []string{strings.Repeat("a", 1<<10), "with.dots.in-it", "a"} {
			w := gate(server(name), "k")
			id := ask(w, "POST", "/mcp", "coder-token", begin).Header.Get(header)
			Expect(ask(w, "POST", "/mcp", "coder-token", list, id).StatusCode).To(Equal(200), name)
		}
		Expect(ask(gate(server(strings.Repeat("a", 1<<10+1)), "k"), "POST", "/mcp", "coder-token", begin).Header).NotTo(HaveKey(header))
	})
})
