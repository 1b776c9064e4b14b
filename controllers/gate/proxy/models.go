package proxy

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
)

// listModels answers of itself: the models that the caller may use, by the same rules that a call of each would be decided by, or one of them.
func (x *exchange) listModels() *refusal {
	anthropic := isAnthropic(x.r.Header) && x.gate.models[Anthropic] != nil || x.gate.models[OpenAI] == nil
	x.dialect = openAIError
	protocol := OpenAI
	if anthropic {
		x.dialect, protocol = anthropicError, Anthropic
	}
	names := x.usable(protocol)
	x.reason, x.route = Own, nil
	id, one := strings.CutPrefix(x.r.URL.Path, "/v1/models/")
	var body []byte
	switch {
	case !one && anthropic:
		body = anthropicModels(names)
	case !one:
		body = openAIModels(names)
	case !slices.Contains(names, id):
		return refuse(NoModel, "")
	case anthropic:
		body = append(anthropicModel(nil, id), '\n')
	default:
		body = append(openAIModel(nil, id), '\n')
	}
	if bad := x.record(); bad != nil {
		return bad
	}
	x.reply(jsonMedia, body)
	return nil
}

// usable gives the models of a protocol that the caller may use. Names that end in * are none that could be listed.
func (x *exchange) usable(protocol string) []string {
	names := []string{}
	for name, r := range x.gate.models[protocol].exact {
		if !x.caller.good(r.Name) {
			continue
		}
		x.route = r
		in := *x.input()
		in.LLM.Model = name
		v := x.gate.decide(&in)
		if !v.allowed() {
			continue
		}
		if _, bad := r.choose(x.view.endpoints, v.rule.AllowRemote); bad == nil || bad.reason == BackendNotReady {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// reply writes an answer of the gate's own.
func (x *exchange) reply(media string, body []byte) {
	x.answer.begin(x.gate.Audit)
	x.answer.feedAll(body)
	h := x.w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	x.mark(x.outcome())
	x.begun, x.status = true, http.StatusOK
	x.w.WriteHeader(http.StatusOK)
	n, _ := x.w.Write(body)
	x.sent = int64(n)
}

func openAIModel(b []byte, name string) []byte {
	return fmt.Appendf(b, `{"id":%s,"object":"model","created":0,"owned_by":"mirrorgate"}`, strict.Quote(name))
}

func openAIModels(names []string) []byte {
	b := []byte(`{"object":"list","data":[`)
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = openAIModel(b, name)
	}
	return append(b, "]}\n"...)
}

func anthropicModel(b []byte, name string) []byte {
	return fmt.Appendf(b, `{"type":"model","id":%[1]s,"display_name":%[1]s,"created_at":"1970-01-01T00:00:00Z"}`, strict.Quote(name))
}

func anthropicModels(names []string) []byte {
	var b bytes.Buffer
	b.WriteString(`{"data":[`)
	for i, name := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(anthropicModel(nil, name))
	}
	first, last := []byte("null"), []byte("null")
	if len(names) > 0 {
		first, last = strict.Quote(names[0]), strict.Quote(names[len(names)-1])
	}
	fmt.Fprintf(&b, `],"has_more":false,"first_id":%s,"last_id":%s}`+"\n", first, last)
	return b.Bytes()
}
