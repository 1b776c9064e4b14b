package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/controllers/gate/proxy/control"
	"mirroros.dev/mirroros/reconcile/audit"
)

var _ = Describe("A budget", func() {
	It("is not overspent by calls that come at once", func() {
		const calls, each = 100, 400
		m := newModel(answers)
		p := &purse{tokens: 37 * each, requests: 1 << 40}
		var gate sync.WaitGroup
		gate.Add(1)
		w := newWorld(m.address(), budgeted(p, func(w *world) { w.gate().MaxConcurrent = calls }))
		body := fmt.Sprintf(`{"model":"house-chat","max_tokens":%d,"n":1`, 200)
		body += strings.Repeat(" ", each-200-around-len(body)-1) + "}"
		m.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			gate.Wait() // nothing is settled before all are decided
			says(200, `{"usage":{"prompt_tokens":200,"completion_tokens":200}}`)(rw, r)
		})
		var passed, refused atomic.Int64
		var all sync.WaitGroup
		for range calls {
			all.Go(func() {
				if resp, err := w.client.Do(w.request("POST", chatPath, body)); err == nil {
					resp.Body.Close()
					map[int]*atomic.Int64{200: &passed, 429: &refused}[resp.StatusCode].Add(1)
				}
			})
		}
		Eventually(refused.Load).Should(BeEquivalentTo(calls - 37))
		gate.Done()
		all.Wait()
		Expect(passed.Load()).To(BeEquivalentTo(37))
		Eventually(p.state).Should(And(HaveField("Open", 0), HaveField("Used", BeEquivalentTo(37*each))))
	})

	It("that has less left gives that, as the cap that is sent", func() {
		m := newModel(answers)
		p := &purse{tokens: 400, requests: 10}
		w := newWorld(m.address(), budgeted(p, limits(1000, 1000)))
		for _, body := range []string{chat, `{"model":"house-chat","max_tokens":900,"max_completion_tokens":800}`} {
			r := w.ask(body)
			Expect(r.StatusCode).To(Equal(200), r.body)
			granted := r.Header.Get("X-MirrorGate-Output-Cap")
			n, err := strconv.Atoi(granted)
			Expect(err).NotTo(HaveOccurred())
			Expect(n).To(And(BeNumerically(">=", 16), BeNumerically("<", 400)))
			got, _, _ := m.last()
			Expect(strings.Count(got, `_tokens":`+granted)).To(Equal(strings.Count(body, "max_")+map[bool]int{true: 1}[body == chat]), got)
			Expect(r.Header.Get("X-MirrorGate-Decision")).To(Equal("Rewritten"))
			Eventually(p.state).Should(HaveField("Open", 0))
		}
	})

	DescribeTable("that is used up refuses in the client's own words, and says when to come again",
		func(path, body string, shape func(fault map[string]any)) {
			m := newModel(answers)
			p := &purse{tokens: 300, usedTokens: 100, requests: 10}
			w := newWorld(m.address(), budgeted(p, limits(1000, 1000)))
			r := w.do(w.request("POST", path, body))
			Expect(r.StatusCode).To(Equal(429), r.body)
			Expect(r.reason()).To(Equal("BudgetExceeded"))
			Expect(r.Header.Get("X-MirrorGate-Decision")).To(Equal("Refused"))
			Expect(r.Header.Get("Retry-After")).To(Equal("11520"))
			Expect(r.Header.Get("X-Should-Retry")).To(Equal("false"))
			Expect(r.Header.Get("X-Ratelimit-Limit-Tokens")).To(Equal("300"))
			Expect(r.Header.Get("X-Ratelimit-Remaining-Tokens")).To(Equal("200"))
			Expect(r.Header.Get("X-Ratelimit-Reset-Tokens")).To(Equal("3h12m0s"))
			Expect(r.body).To(And(ContainSubstring("limit daily of budget team is 300 tokens; 100 are used or reserved"),
				ContainSubstring("there is room in 3 h 12 min (11520 s)")))
			shape(object(r.body)["error"].(map[string]any))
			Expect(m.calls()).To(BeZero())
			record := w.records(r.id(), 1)[0]
			Expect(record).To(And(HaveField("Kind", audit.KindDecision), HaveField("Decision", audit.Refused), HaveField("Stage", 6), HaveField("Status", 429),
				HaveField("Budget", "team"), HaveField("Text", HavePrefix("limit daily of budget team")), HaveField("Rule", "agents-may-chat")))
		},
		Entry("of OpenAI", chatPath, chat, func(fault map[string]any) {
			Expect(fault).To(And(HaveKeyWithValue("type", "rate_limit_error"), HaveKeyWithValue("code", "rate_limit_exceeded")))
		}),
		Entry("of Anthropic", messagesPath, chat, func(fault map[string]any) { Expect(fault).To(HaveKeyWithValue("type", "rate_limit_error")) }),
	)

	It("that a call never fits into does not ask for patience", func() {
		w := newWorld(newModel(answers).address(), budgeted(&purse{tokens: 100, requests: 10}, nil))
		r := w.ask(chat)
		Expect(r.StatusCode).To(Equal(429))
		Expect(r.Header).NotTo(HaveKey("Retry-After"))
		Expect(r.Header.Get("X-Should-Retry")).To(Equal("false"))
		Expect(r.body).To(ContainSubstring("it never fits; ask for a shorter answer, or raise the limit"))
	})

	It("that has room again soon asks for a little patience, and tells what is left of requests", func() {
		p := &purse{tokens: 1 << 40, requests: 0}
		w := newWorld(newModel(answers).address(), budgeted(p, nil))
		p.requests = 1
		first := w.ask(chat)
		Expect(first.Header.Get("X-Ratelimit-Remaining-Requests")).To(Equal("0"))
		r := w.ask(chat)
		Expect(r.StatusCode).To(Equal(429))
		Expect(r.Header.Get("Retry-After")).To(Equal("20"))
		Expect(r.Header).NotTo(HaveKey("X-Should-Retry"))
		Expect(r.Header.Get("X-Ratelimit-Remaining-Requests")).To(Equal("0"))
		Expect(r.Header).NotTo(HaveKey("X-Ratelimit-Limit-Tokens"))
		Expect(r.body).To(ContainSubstring("limit rate of budget team is 1 requests; 1 are used or reserved, and this call may need 1; there is room in 20 s (20 s)"))
	})

	It("tells with each answer what is left, and less each time, in place of what the backend tells", func() {
		p := &purse{tokens: 100_000, requests: 100}
		w := newWorld(newModel(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Ratelimit-Remaining-Tokens", "7")
			answers(w, r)
		}).address(), budgeted(p, limits(50, 50)))
		before := int64(100_000)
		for n := range 20 {
			r := w.ask(chat)
			left, err := strconv.ParseInt(r.Header.Get("X-Ratelimit-Remaining-Tokens"), 10, 64)
			Expect(err).NotTo(HaveOccurred())
			Expect(left).To(BeNumerically("<", before))
			before = left
			for name, value := range map[string]string{"Limit-Tokens": "100000", "Reset-Tokens": "6m0s", "Limit-Requests": "100",
				"Remaining-Requests": strconv.Itoa(99 - n), "Reset-Requests": "1s"} {
				Expect(r.Header.Get("X-Ratelimit-"+name)).To(Equal(value), name)
			}
			Expect(p.state()).To(HaveField("Open", 0))
		}
	})

	It("has back what a call did not use before the caller can ask again", func() {
		p, answered := rich(), make(chan struct{})
		p.settling = func() {
			defer GinkgoRecover()
			Consistently(answered, "100ms").ShouldNot(BeClosed())
		}
		newWorld(newModel(answers).address(), budgeted(p, nil)).ask(chat)
		close(answered)
		Expect(p.state()).To(HaveField("Open", 0))
	})

	DescribeTable("is a condition of the call: what is not written down does not go on",
		func(durable bool, fault func(*world, *purse), reason string, kinds ...string) {
			m, p := newModel(answers), rich()
			w := newWorld(m.address(), budgeted(p, func(w *world) { w.gate().Durable = durable }))
			fault(w, p)
			r := w.ask(chat)
			Expect(r.StatusCode).To(Equal(503))
			Expect(r.reason()).To(Equal(reason))
			Expect(r.Header.Get("X-MirrorGate-Decision")).To(Equal("Failed"))
			Expect(m.calls()).To(BeZero())
			Eventually(p.state).Should(And(HaveField("Open", 0), HaveField("Used", BeZero()), HaveField("Settled", BeEmpty())))
			records := w.records(r.id(), len(kinds))
			for i, kind := range kinds {
				Expect(records[i].Kind).To(Equal(kind))
			}
			if n := len(kinds); n > 0 {
				Expect(records[n-1]).To(And(HaveField("Decision", audit.Failed), HaveField("Reason", reason)))
			}
		},
		Entry("nothing is known of the budgets", true, func(_ *world, p *purse) { p.down = true }, "LedgerFailed", audit.KindDecision),
		Entry("the reservation", false, func(_ *world, p *purse) { p.full = true }, "LedgerFailed", audit.KindDecision),
		Entry("the reservation, beside a decision that is on the disk", true, func(_ *world, p *purse) { p.full = true }, "LedgerFailed", audit.KindDecision, audit.KindOutcome),
		Entry("the decision", false, func(w *world, _ *purse) { w.book.fail.Store(true) }, "AuditFailed"),
		Entry("the decision, beside a reservation that is on the disk", true, func(w *world, _ *purse) { w.book.fail.Store(true) }, "AuditFailed"),
	)

	It("is written down as durably as the gate's decisions, before anything is forwarded", func() {
		for _, durable := range []bool{true, false} {
			p := rich()
			var committed []bool
			w := newWorld(newModel(func(w http.ResponseWriter, r *http.Request) {
				p.mu.Lock()
				committed = append(committed, p.committed...)
				p.mu.Unlock()
				answers(w, r)
			}).address(), budgeted(p, func(w *world) { w.gate().Durable = durable }))
			Expect(w.ask(chat).StatusCode).To(Equal(200))
			Expect(committed).To(Equal([]bool{durable}))
		}
	})

	It("is written down as each gate asks, beside gates that ask for less", func() {
		w := newWorld(newModel(answers).address(), func(w *world) {
			w.gate().Durable = true
			other := *w.gate()
			other.Name, other.Listener, other.Durable = "other", "other", false
			w.config.Gates = append(w.config.Gates, other)
		})
		l, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		Expect(w.server.Listen("other", l)).To(Succeed())
		power := w.ask(chat)
		w.addr = l.Addr().String()
		process := w.ask(chat)
		Expect([]int{power.StatusCode, process.StatusCode}).To(Equal([]int{200, 200}))
		w.book.mu.Lock()
		defer w.book.mu.Unlock()
		Expect(w.book.durable).To(Equal([]string{power.id()}))
	})

	It("that has calls wait has nobody wait who went away", func() {
		p := rich()
		p.wait = make(chan struct{})
		m := newModel(answers)
		w := newWorld(m.address(), budgeted(p, nil))
		ctx, leave := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() {
			_, err := w.client.Do(w.request("POST", chatPath, chat).WithContext(ctx))
			ended <- err
		}()
		Consistently(ended).ShouldNot(Receive())
		leave()
		Eventually(ended).Should(Receive(HaveOccurred()))
		Eventually(w.book.all).Should(ConsistOf(HaveField("Reason", "ClientGone")))
		close(p.wait)
		Expect(w.ask(chat).StatusCode).To(Equal(200))
		Expect(m.calls()).To(Equal(1))
	})

	It("holds for calls that begin after it came, until there is none", func() {
		p := &purse{}
		w := newWorld(newModel(answers).address(), budgeted(p, nil))
		Expect(w.ask(chat).StatusCode).To(Equal(429))
		w.server.SetLedger(nil)
		Expect(w.ask(chat).StatusCode).To(Equal(200))
		w.server.SetLedger(p)
		Expect(w.ask(chat).StatusCode).To(Equal(429))
	})

	It("is counted: what is reserved, who did not fit, and for whom tokens went", func() {
		p := &purse{tokens: 1 << 40, requests: 1}
		w := newWorld(newModel(answers).address(), budgeted(p, nil))
		w.ask(chat)
		w.ask(chat)
		families, err := w.server.Registry().Gather()
		Expect(err).NotTo(HaveOccurred())
		text := strings.ReplaceAll(fmt.Sprint(families), "  ", " ")
		Expect(text).To(And(MatchRegexp(`mirrorgate_budget_exceeded_total.*label:{name:"budget" value:"team"}.*name:"limit" value:"rate"}.*counter:{value:1`),
			MatchRegexp(`mirrorgate_budget_reservations_open.*gauge:{value:0}`), MatchRegexp(`mirrorgate_budget_wait_seconds.*sample_count:2`)))
		By("and the operator is told")
		w.ask(chat)
		Expect(w.server.Counts().Budgets).To(ConsistOf(SatisfyAll(HaveField("BudgetAccount", control.BudgetAccount{Budget: "team", Limit: "rate"}),
			HaveField("Exceeded", BeEquivalentTo(2)), HaveField("Last", Not(BeZero())))))
	})
})

var _ = Describe("A call that takes no tokens", func() {
	// priced has the backend of the gate's one route take something for each call.
	priced := func(p *purse, r proxy.RouteConfig) func(*world) {
		return func(w *world) {
			route(r, everybody)(w)
			if len(w.gate().Routes[0].Backends) > 0 {
				w.gate().Routes[0].Backends[0].Price = dear
			}
			w.ledger = p
		}
	}

	It("is a request and the price of a call: of HTTP", func() {
		p := &purse{tokens: 1 << 40, requests: 1}
		m := newModel(answers)
		w := newWorld(m.address(), priced(p, proxy.RouteConfig{Protocol: proxy.HTTP, Path: "/app"}))
		r := w.do(w.request("GET", "/app", ""))
		Expect(r.StatusCode).To(Equal(200))
		Expect(r.Header.Get("X-Ratelimit-Remaining-Requests")).To(Equal("0"))
		Eventually(p.state).Should(HaveField("Settled", Equal([]proxy.Used{{Price: dear}})))
		Expect(w.do(w.request("GET", "/app", "")).StatusCode).To(Equal(429))
		Expect(m.calls()).To(Equal(1))
	})

	It("is a request and the price of a call: of an MCP server, of which looking at what there is takes nothing", func() {
		p := &purse{tokens: 1 << 40, requests: 1}
		tools := toolServer()
		w := newWorld(tools.Listener.Addr().String(), priced(p, proxy.RouteConfig{Protocol: proxy.MCP, Path: "/mcp"}))
		ctx := context.Background()
		c := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil)
		s, err := c.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: "http://" + w.addr + "/mcp", MaxRetries: -1, HTTPClient: &http.Client{Transport: bearer{"coder-token"}}}, nil)
		Expect(err).NotTo(HaveOccurred())
		_, err = s.ListTools(ctx, nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(p.state().Asks).To(BeZero())
		_, err = s.CallTool(ctx, &mcp.CallToolParams{Name: "read"})
		Expect(err).NotTo(HaveOccurred())
		Eventually(p.state).Should(HaveField("Settled", Equal([]proxy.Used{{Price: dear}})))
		r := w.do(w.request("POST", "/mcp", `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"read"}}`))
		Expect(r.StatusCode).To(Equal(429))
		Expect(object(r.body)).To(HaveKeyWithValue("id", BeEquivalentTo(7)))
		Expect(r.body).To(ContainSubstring("budget team"))
		Expect(s.Close()).To(Or(Succeed(), HaveOccurred())) // what matters is that nothing of it stays
	})

	It("is a request: a tunnel, for as long as it is open", func() {
		p := &purse{tokens: 1 << 40, requests: 1}
		m := newModel(answers)
		w := newWorld("", priced(p, proxy.RouteConfig{Protocol: proxy.CONNECT, Hosts: []string{"127.0.0.1:*"}}))
		for _, status := range []int{200, 429} {
			l, err := net.Dial("tcp", w.addr)
			Expect(err).NotTo(HaveOccurred())
			fmt.Fprintf(l, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\nAuthorization: Bearer coder-token\r\n\r\n", m.address())
			resp, err := http.ReadResponse(bufio.NewReader(l), &http.Request{Method: "CONNECT"})
			Expect(err).NotTo(HaveOccurred())
			Expect(resp.StatusCode).To(Equal(status))
			if status == 200 {
				Expect(p.state().Open).To(Equal(1))
			}
			l.Close()
			if status == 200 {
				Eventually(p.state).Should(HaveField("Settled", HaveLen(1)))
			}
		}
	})

	It("is a request: a connection of TCP", func() {
		p := &purse{tokens: 1 << 40, requests: 1}
		m := newModel(answers)
		w := newWorld(m.address(), func(w *world) {
			priced(p, proxy.RouteConfig{Protocol: proxy.TCP})(w)
			w.gate().Tokens, w.gate().Anonymous = false, true
		})
		for n := range 2 {
			c, err := net.Dial("tcp", w.addr)
			Expect(err).NotTo(HaveOccurred())
			fmt.Fprint(c, "GET / HTTP/1.0\r\n\r\n")
			text, _ := io.ReadAll(c)
			Expect(len(text) > 0).To(Equal(n == 0))
			c.Close()
			Eventually(p.state).Should(And(HaveField("Open", 0), HaveField("Settled", Equal([]proxy.Used{{Price: dear}}))))
		}
		Eventually(w.book.all).Should(ContainElement(And(HaveField("Reason", "BudgetExceeded"), HaveField("Budget", "team"), HaveField("Decision", audit.Refused))))
	})
})

var _ = Describe("A call that does not fit and may go another way", func() {
	// two purses: the route chat has an empty one, and all others p.
	var small *model
	down := func(p proxy.Ledger, edit func(*world)) *world {
		small = newModel(answers)
		return newWorld(newModel(answers).address(), func(w *world) {
			other := w.gate().Routes[0]
			other.Name, other.Models = "small", []string{"small-chat"}
			other.Backends = []proxy.BackendConfig{{Name: "process/small", Endpoints: "small:http", Weight: 1}}
			other.MaxOutputTokens = 40
			w.gate().Routes[0].MaxOutputTokens = 1000
			w.gate().Routes = append(w.gate().Routes, other)
			w.gate().Rules[0].Routes = []string{"chat", "small"}
			w.ready.Ready["small:http"] = []string{small.address()}
			w.ledger = p
			if edit != nil {
				edit(w)
			}
		})
	}

	It("goes there, decided anew by that route's rules and bounds, and the records tell both", func() {
		p := rich()
		w := down(byRoute{"chat": &purse{to: "small"}, "small": p}, func(w *world) {
			w.gate().Rules = append(w.gate().Rules, proxy.RuleConfig{Name: "small-only", Priority: 1, All: true, Routes: []string{"small"}, Action: "Allow",
				When: `llm.model == "small-chat" && llm.maxTokens == 40`})
		})
		r := w.ask(`{"model":"house-chat","max_tokens":500}`)
		Expect(r.StatusCode).To(Equal(200), r.body)
		Expect(r.Header.Get("X-MirrorGate-Downgraded-From")).To(Equal("chat"))
		Expect(r.Header.Get("X-MirrorGate-Rule")).To(Equal("small-only"))
		Expect(r.Header.Get("X-MirrorGate-Decision")).To(Equal("Rewritten"))
		body, _, _ := small.last()
		Expect(body).To(Equal(`{"model":"small-chat","max_tokens":40}`))
		Expect(p.last()).To(And(HaveField("Route", "small"), HaveField("Model", "small-chat"), HaveField("Output", int64(40))))
		Expect(w.records(r.id(), 2)[0]).To(And(HaveField("Route", "small"), HaveField("Decision", audit.Rewritten), HaveField("Backend", "process/small"),
			HaveField("Text", And(ContainSubstring("instead of route chat"), ContainSubstring("budget team")))))
		Eventually(p.state).Should(HaveField("Settled", Equal([]proxy.Used{{Input: 11, Output: 7}})))
	})

	DescribeTable("is refused as it was when it may not",
		func(edit func(*world), to string, then *purse, why string) {
			w := down(byRoute{"chat": &purse{to: to}, "small": then}, edit)
			r := w.ask(chat)
			Expect(r.StatusCode).To(Equal(429), r.body)
			Expect(r.reason()).To(Equal("BudgetExceeded"))
			Expect(r.Header.Get("X-MirrorGate-Rule")).To(Equal("agents-may-chat"))
			Expect(r.body).NotTo(ContainSubstring(to), "what other routes there are is nobody's business")
			Expect(w.records(r.id(), 1)[0]).To(And(HaveField("Route", "chat"), HaveField("Budget", "team"),
				HaveField("Text", ContainSubstring("; route "+to+" was tried instead: "+why))))
			Expect(small.calls()).To(BeZero())
			Expect(then.state().Open).To(BeZero())
		},
		Entry("by a rule", func(w *world) {
			w.gate().Rules = append(w.gate().Rules, proxy.RuleConfig{Name: "no", Priority: 1, Routes: []string{"small"}, Action: "Deny"})
		}, "small", rich(), "RuleDenied"),
		Entry("by its token", func(w *world) { w.who.Tokens[0].Scope = []string{"chat"} }, "small", rich(), "TokenScope"),
		Entry("by another budget, even one that would send it on", nil, "small", &purse{to: "chat"}, "BudgetExceeded: limit daily"),
		Entry("because nobody serves there", func(w *world) { w.ready.Ready["small:http"] = nil }, "small", rich(), "BackendNotReady"),
		Entry("because there is no such route", nil, "elsewhere", rich(), "there is none"),
		Entry("because that is where it was", nil, "chat", rich(), "it cannot take this call"),
		Entry("because that speaks otherwise", func(w *world) { w.gate().Routes[1].Protocol = proxy.Anthropic }, "small", rich(), "it cannot take this call"),
	)
})

// byRoute has a purse for each route.
type byRoute map[string]*purse

func (b byRoute) Reserve(ctx context.Context, a *proxy.Ask) (proxy.Reservation, *proxy.Exceeded, error) {
	return b[a.Route].Reserve(ctx, a)
}

var _ = DescribeTable("What does not fit is told in words", func(e proxy.Exceeded, text string) { Expect(e.String()).To(Equal(text)) },
	Entry("money", proxy.Exceeded{Budget: "house", Limit: "month", Measure: "cost", Currency: "EUR", Amount: 20_000_000_000, Used: 19_990_500_000, Need: 12_345_678, Reset: 49 * time.Hour},
		"limit month of budget house is 20.00 EUR; 19.9905 are used or reserved, and this call may need 0.012345678; there is room in 2 d 1 h (176400 s)"),
	Entry("a prepaid amount", proxy.Exceeded{Budget: "b", Limit: "all", Measure: "tokens", Principal: "coder", Amount: 100, Used: 95, Need: 10, Reset: -1},
		"limit all of budget b of coder is 100 tokens; 95 are used or reserved, and this call may need 10; the limit does not reset by itself"),
	Entry("calls at once", proxy.Exceeded{Budget: "b", Limit: "c", Measure: "concurrency", Amount: 2, Used: 2, Need: 1, Waited: true},
		"limit c of budget b is 2 calls at once; 2 are used or reserved, and this call may need 1; there is room when a call under way ends; the call waited as long as it may"),
	Entry("a moment", proxy.Exceeded{Budget: "b", Limit: "c", Measure: "inputTokens", Amount: 2, Used: 2, Need: 1, Reset: 100 * time.Millisecond},
		"limit c of budget b is 2 input tokens; 2 are used or reserved, and this call may need 1; there is room in 1 s (1 s)"),
)
