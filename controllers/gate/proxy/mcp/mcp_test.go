package mcp_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy/mcp"
)

func TestMCP(t *testing.T) {
	RegisterFailHandler(Fail)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "mcp", cfg, rep)
}

const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

// headers makes a header of names and values.
func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// modern are the headers of a request of 2026-07-28.
func modern(method string, more ...string) http.Header {
	return headers(append([]string{"MCP-Protocol-Version", mcp.Modern, "Mcp-Method", method}, more...)...)
}

var _ = DescribeTable("Parse reads",
	func(h http.Header, body string, want mcp.Operation) {
		got, f := mcp.Parse(h, []byte(body))
		Expect(f).To(BeNil())
		Expect(got).To(Equal(want))
	},
	Entry("a call", headers("Mcp-Protocol-Version", "2025-06-18"), ` {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"a":[1]}}} `,
		mcp.Operation{ID: "1", Method: "tools/call", Tool: "t", Arguments: []byte(`{"a":[1]}`), Version: "2025-06-18"}),
	Entry("a call of the modern era", modern("tools/call", "Mcp-Name", "t"), `{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"t",`+meta+`}}`,
		mcp.Operation{ID: `"x"`, Method: "tools/call", Tool: "t", Version: mcp.Modern, Modern: true}),
	Entry("a name in the form of names that are no ASCII", modern("prompts/get", "Mcp-Name", "=?base64?w7Y=?="),
		`{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"ö",`+meta+`}}`,
		mcp.Operation{ID: "1", Method: "prompts/get", Prompt: "ö", Version: mcp.Modern, Modern: true}),
	Entry("a reading", modern("resources/read", "Mcp-Name", "file:///a"), `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a",`+meta+`}}`,
		mcp.Operation{ID: "1", Method: "resources/read", Resource: "file:///a", Version: mcp.Modern, Modern: true}),
	Entry("a subscription of the era of sessions", headers(), `{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"file:///a"}}`,
		mcp.Operation{ID: "1", Method: "resources/subscribe", Resource: "file:///a"}),
	Entry("a subscription of the modern era", modern("subscriptions/listen"),
		`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:b","c:d"]},`+meta+`}}`,
		mcp.Operation{ID: "1", Method: "subscriptions/listen", Resources: []string{"a:b", "c:d"}, Version: mcp.Modern, Modern: true, List: true}),
	Entry("a list", headers(), `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, mcp.Operation{ID: "1", Method: "tools/list", List: true, Filtered: true}),
	Entry("the beginning of a session", headers(), `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2027-01-01"}}`,
		mcp.Operation{ID: "0", Method: "initialize", List: true}),
	Entry("a notification", headers(), `{"jsonrpc":"2.0","method":"notifications/initialized"}`,
		mcp.Operation{Kind: mcp.Notification, Method: "notifications/initialized", List: true}),
	Entry("an answer to the server", headers("Mcp-Protocol-Version", "2025-11-25"), `{"jsonrpc":"2.0","id":"s-1","result":{"roots":[]}}`,
		mcp.Operation{Kind: mcp.Answer, ID: `"s-1"`, Version: "2025-11-25"}),
	Entry("a refusal to the server", headers(), `{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}`, mcp.Operation{Kind: mcp.Answer, ID: "1"}),
	Entry("a method that it does not know", headers(), `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"t"}}`,
		mcp.Operation{ID: "1", Method: "tasks/get"}),
)

var _ = DescribeTable("Parse refuses",
	func(code int, h http.Header, body string) {
		_, f := mcp.Parse(h, []byte(body))
		Expect(f).NotTo(BeNil())
		Expect(f.Status).To(Equal(400))
		Expect(f.Code).To(Equal(code), f.Message)
		Expect(json.Valid(f.Body())).To(BeTrue(), "%s", f.Body())
	},
	Entry("no JSON", -32700, headers(), `{"jsonrpc":`),
	Entry("two values", -32700, headers(), `{"jsonrpc":"2.0","method":"a"} {}`),
	Entry("two methods", -32700, headers(), `{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}`),
	Entry("two methods, one escaped", -32700, headers(), `{"jsonrpc":"2.0","id":1,"method":"tools/list","metho\u0064":"tools/call"}`),
	Entry("two names", -32700, headers(), `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}`),
	Entry("two names in two cases", -32602, headers(), `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","Name":"b"}}`),
	Entry("a method in another case", -32600, headers(), `{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"tools/call"}`),
	Entry("parameters in another case", -32600, headers(), `{"jsonrpc":"2.0","id":1,"method":"tools/call","Params":{"name":"b"}}`),
	Entry("invalid UTF-8", -32700, headers(), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"a\xff\"}}"),
	Entry("a batch", -32600, headers(), `[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]`),
	Entry("an empty batch", -32600, headers(), `[]`),
	Entry("a text", -32600, headers(), `"tools/list"`),
	Entry("another version of JSON-RPC", -32600, headers(), `{"jsonrpc":"1.0","id":1,"method":"tools/list"}`),
	Entry("an id that is null", -32600, headers(), `{"jsonrpc":"2.0","id":null,"method":"tools/list"}`),
	Entry("an id that is a fraction", -32600, headers(), `{"jsonrpc":"2.0","id":1.5,"method":"tools/list"}`),
	Entry("a request and answer in one", -32600, headers(), `{"jsonrpc":"2.0","id":1,"method":"tools/list","result":{}}`),
	Entry("an answer with two outcomes", -32600, headers(), `{"jsonrpc":"2.0","id":1,"result":{},"error":{}}`),
	Entry("an answer to nothing", -32600, headers(), `{"jsonrpc":"2.0","result":{}}`),
	Entry("nothing", -32600, headers(), `{"jsonrpc":"2.0","id":1}`),
	Entry("a method that is a number", -32600, headers(), `{"jsonrpc":"2.0","id":1,"method":7}`),
	Entry("parameters by position", -32602, headers(), `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["a"]}`),
	Entry("a call of nothing", -32602, headers(), `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`),
	Entry("a call of an empty name", -32602, headers(), `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":""}}`),
	Entry("a name that is a list", -32602, headers(), `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["a"]}}`),
	Entry("arguments that are a list", -32602, headers(), `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":[]}}`),
	Entry("a URI that leads elsewhere", -32602, headers(), `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///pub/../etc/passwd"}}`),
	Entry("a URI that leads elsewhere in disguise", -32602, headers(), `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///pub/%2E%2e/etc"}}`),
	Entry("a subscription that leads elsewhere", -32602, modern("subscriptions/listen"),
		`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["file:///a/.."]},`+meta+`}}`),
	Entry("a version that it does not know", -32022, headers("Mcp-Protocol-Version", "2027-01-01"), `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`),
	Entry("two versions", -32020, headers("Mcp-Protocol-Version", mcp.Modern, "Mcp-Protocol-Version", "2025-06-18"), `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`),
	Entry("a modern header over an older body", -32602, modern("tools/list"), `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`),
	Entry("a modern body without header", -32020, headers(), `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{`+meta+`}}`),
	Entry("a modern body under an older header", -32020, headers("Mcp-Protocol-Version", "2025-06-18", "Mcp-Method", "tools/list"),
		`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{`+meta+`}}`),
	Entry("a method that is not mirrored", -32020, headers("Mcp-Protocol-Version", mcp.Modern), `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{`+meta+`}}`),
	Entry("another method in the header", -32020, modern("tools/list"), `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a",`+meta+`}}`),
	Entry("another name in the header", -32020, modern("tools/call", "Mcp-Name", "b"), `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a",`+meta+`}}`),
	Entry("a name that is not mirrored", -32020, modern("tools/call"), `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a",`+meta+`}}`),
	Entry("two names in the header", -32020, modern("tools/call", "Mcp-Name", "a", "Mcp-Name", "b"), `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a",`+meta+`}}`),
	Entry("a name that is not encoded as it says", -32020, modern("tools/call", "Mcp-Name", "=?base64?*?="), `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a",`+meta+`}}`),
	Entry("a name for what has none", -32020, modern("tools/list", "Mcp-Name", "a"), `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{`+meta+`}}`),
	Entry("headers that lie in the era of sessions", -32020, headers("Mcp-Method", "tools/list"), `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}`),
	Entry("an answer in the modern era", -32600, headers("Mcp-Protocol-Version", mcp.Modern), `{"jsonrpc":"2.0","id":1,"result":{}}`),
)

var _ = DescribeTable("Unknown looks as if it were not there",
	func(op mcp.Operation, status int, body string) {
		op.ID = "7"
		f := mcp.Unknown(op)
		Expect(f.Status).To(Equal(status))
		Expect(string(f.Body())).To(MatchJSON(body))
	},
	Entry("a tool", mcp.Operation{Tool: `a"b`}, 200, `{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"Unknown tool: a\"b"}}`),
	Entry("a tool, modern", mcp.Operation{Tool: "t", Modern: true}, 400, `{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"Unknown tool: t"}}`),
	Entry("a resource", mcp.Operation{Resource: "a:b"}, 200, `{"jsonrpc":"2.0","id":7,"error":{"code":-32002,"message":"Resource not found","data":{"uri":"a:b"}}}`),
	Entry("a resource, modern", mcp.Operation{Resource: "a:b", Modern: true}, 400, `{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"Resource not found","data":{"uri":"a:b"}}}`),
	Entry("a prompt", mcp.Operation{Prompt: "p"}, 200, `{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"Unknown prompt: p"}}`),
	Entry("a method, modern", mcp.Operation{Method: "x", Modern: true}, 404, `{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"Method not found"}}`),
)

// but allows all but these.
func but(denied ...string) mcp.Allowed {
	return func(kind, name string) bool {
		for _, d := range denied {
			if d == kind+" "+name {
				return false
			}
		}
		return true
	}
}

var _ = DescribeTable("Filter",
	func(answer, want string, dropped int) {
		out, n, err := mcp.Filter([]byte(answer), but("tool b", "resource f:b", "template f:{b}", "prompt b"))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(out)).To(Equal(want))
		Expect(n).To(Equal(dropped))
	},
	Entry("takes tools out", `{"jsonrpc":"2.0", "id":1,"result":{"x": 1.50,"tools":[{"name":"a"}, {"name":"b","d":[1]} ,{"name":"c"}],"nextCursor":"n"}}`,
		`{"jsonrpc":"2.0", "id":1,"result":{"x": 1.50,"tools":[{"name":"a"},{"name":"c"}],"nextCursor":"n"}}`, 1),
	Entry("takes all out", `{"result":{"tools":[{"name":"b"}]}}`, `{"result":{"tools":[]}}`, 1),
	Entry("knows a name by what it means", `{"result":{"tools":[{"n\u0061me":"\u0062"}]}}`, `{"result":{"tools":[]}}`, 1),
	Entry("takes resources out", `{"result":{"resources":[{"uri":"f:b","name":"a"},{"uri":"f:a","name":"b"}]}}`, `{"result":{"resources":[{"uri":"f:a","name":"b"}]}}`, 1),
	Entry("takes templates out", `{"result":{"resourceTemplates":[{"uriTemplate":"f:{b}"}]}}`, `{"result":{"resourceTemplates":[]}}`, 1),
	Entry("takes prompts out", `{"result":{"prompts":[{"name":"b"},{"name":"a"}]}}`, `{"result":{"prompts":[{"name":"a"}]}}`, 1),
	Entry("takes out what has no name", `{"result":{"tools":[7,{"title":"x"},{"name":"a"}]}}`, `{"result":{"tools":[{"name":"a"}]}}`, 2),
	Entry("takes out of each of many", `[{"result":{"tools":[{"name":"b"}]}},{"result":{"prompts":[{"name":"b"}]}}]`, `[{"result":{"tools":[]}},{"result":{"prompts":[]}}]`, 2),
	Entry("leaves what is all allowed", `{ "result" : { "tools" : [ {"name":"a"} ] } }`, `{ "result" : { "tools" : [ {"name":"a"} ] } }`, 0),
	Entry("leaves other answers", `{"result":{"content":[{"type":"text","text":"b"}],"structuredContent":{"tools":[{"name":"b"}]}}}`,
		`{"result":{"content":[{"type":"text","text":"b"}],"structuredContent":{"tools":[{"name":"b"}]}}}`, 0),
	Entry("leaves requests and notifications", `{"method":"notifications/tools/list_changed","params":{"tools":[{"name":"b"}]}}`,
		`{"method":"notifications/tools/list_changed","params":{"tools":[{"name":"b"}]}}`, 0),
	Entry("leaves errors", `{"error":{"code":1}}`, `{"error":{"code":1}}`, 0),
)

var _ = DescribeTable("Filter lets nothing pass that it cannot read as others do",
	func(answer string) {
		_, _, err := mcp.Filter([]byte(answer), but())
		Expect(err).To(HaveOccurred())
	},
	Entry("no JSON", `{"result":`),
	Entry("two results", `{"result":{},"result":{"tools":[{"name":"b"}]}}`),
	Entry("a result in another case", `{"result":{},"Result":{"tools":[{"name":"b"}]}}`),
	Entry("a list in another case", `{"result":{"Tools":[{"name":"b"}]}}`),
	Entry("a name in another case", `{"result":{"tools":[{"name":"a","NAME":"b"}]}}`),
)

var _ = Describe("Events", func() {
	const stream = ": hello\r\n\r\nid: 1\r\ndata:\r\n\r\nevent: message\nid: 2\ndata: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\"result\":{\"tools\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}\n\n" +
		"data: {\"method\":\"notifications/tools/list_changed\"}\r\rdata:{\"result\":{\"tools\":[ ]}}\n\nid: 3\ndata: {\"result\":{\"tools\":[{\"name\":\"b\"}]}}\n\ndata: unfinished"
	const want = ": hello\r\n\r\nid: 1\r\ndata:\r\n\r\nevent: message\nid: 2\ndata: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\"result\":{\"tools\":[{\"name\":\"a\"}]}}\n\n" +
		"data: {\"method\":\"notifications/tools/list_changed\"}\r\rdata:{\"result\":{\"tools\":[ ]}}\n\nid: 3\ndata: {\"result\":{\"tools\":[]}}\n\n"

	It("filters each message and leaves everything else, however it comes in pieces", func() {
		for size := 1; size <= len(stream); size++ {
			e := mcp.Events{Allowed: but("tool b")}
			got := ""
			for rest := stream; rest != ""; {
				n := min(size, len(rest))
				out, err := e.Feed([]byte(rest[:n]))
				Expect(err).NotTo(HaveOccurred())
				got, rest = got+string(out), rest[n:]
			}
			Expect(got).To(Equal(want), "in pieces of %d", size)
			Expect(e.Dropped).To(Equal(2))
			Expect(e.Rest()).To(BeNumerically(">", 0))
		}
	})

	It("gives an event when it is there, not later", func() {
		e := mcp.Events{Allowed: but()}
		for _, end := range []string{"\n\n", "\r\n\r\n"} {
			out, err := e.Feed([]byte("data: {}" + end))
			Expect(err).NotTo(HaveOccurred())
			Expect(string(out)).To(Equal("data: {}" + end))
		}
	})

	It("lets nothing pass that it cannot read", func() {
		e := mcp.Events{Allowed: but()}
		_, err := e.Feed([]byte("data: {\"result\":{},\"result\":{}}\n\n"))
		Expect(err).To(HaveOccurred())
	})

	It("bounds an event", func() {
		e := mcp.Events{Allowed: but()}
		piece := []byte("data: " + strings.Repeat("x", 1<<20))
		var err error
		for i := 0; i < 20 && err == nil; i++ {
			_, err = e.Feed(piece)
		}
		Expect(err).To(MatchError(ContainSubstring("16 MiB")))
	})
})

// FuzzParse: what is accepted means the same to a reader that is not strict.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"a":[1]}}}`,
		`{"jsonrpc":"2.0","id":"x","method":"resources/read","params":{"uri":"f:a"}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`, `{"jsonrpc":"2.0","id":1,"result":{}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/list","metho\u0064":"tools/call"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		op, fault := mcp.Parse(http.Header{}, body)
		if fault != nil {
			if !json.Valid(fault.Body()) {
				t.Fatalf("%q: the refusal %q is no JSON", body, fault.Body())
			}
			return
		}
		var loose struct {
			Method string
			Params struct {
				Name, URI string
			}
		}
		if err := json.Unmarshal(body, &loose); err != nil {
			t.Fatalf("only we read %q: %v", body, err)
		}
		if loose.Method != op.Method || op.Tool+op.Prompt != "" && loose.Params.Name != op.Tool+op.Prompt || op.Resource != "" && loose.Params.URI != op.Resource {
			t.Fatalf("%q: we read %+v, others %+v", body, op, loose)
		}
	})
}
