package mcp

import (
	"fmt"
	"net/http"
	"strings"

	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
)

// The codes of JSON-RPC, and the protocol's own.
const (
	codeParse       = -32700
	codeRequest     = -32600
	codeMethod      = -32601
	codeParams      = -32602
	codeNotFound    = -32002 // of a resource, before Modern
	codeMismatch    = -32020
	codeUnsupported = -32022
)

// Fault is an answer with an error.
type Fault struct {
	// Status of HTTP.
	Status int
	// Code and Message of JSON-RPC. Data is JSON, or empty.
	Code    int
	Message string
	Data    string
	// ID of the request as JSON; empty when it is not known.
	ID string
}

func (f *Fault) Error() string { return f.Message }

// Body is the answer, of media type application/json.
func (f *Fault) Body() []byte {
	b := []byte(`{"jsonrpc":"2.0",`)
	if f.ID != "" {
		b = append(append(append(b, `"id":`...), f.ID...), ',')
	} else {
		b = append(b, `"id":null,`...)
	}
	b = fmt.Appendf(b, `"error":{"code":%d,"message":%s`, f.Code, strict.Quote(f.Message))
	if f.Data != "" {
		b = append(append(b, `,"data":`...), f.Data...)
	}
	return append(b, "}}"...)
}

func (f *Fault) to(op Operation) *Fault {
	if op.Kind == Request {
		f.ID = op.ID
	}
	return f
}

func newFault(code int, message string) *Fault {
	return &Fault{Status: http.StatusBadRequest, Code: code, Message: message}
}

func mismatch(what string) *Fault { return newFault(codeMismatch, "Header mismatch: "+what) }

func unsupported(version string) *Fault {
	f := newFault(codeUnsupported, "Unsupported protocol version")
	f.Data = fmt.Sprintf(`{"supported":["%s"],"requested":%s}`, strings.Join(Versions, `","`), strict.Quote(version))
	return f
}

// Unknown is the answer to a request for what the caller may not use: that of a server that does not have it. It has the words of the
// specification's examples.
func Unknown(op Operation) *Fault {
	f := newFault(codeParams, "")
	switch {
	case op.Tool != "":
		f.Message = "Unknown tool: " + op.Tool
	case op.Prompt != "":
		f.Message = "Unknown prompt: " + op.Prompt
	case op.Resource != "" || len(op.Resources) > 0:
		uri := op.Resource
		if uri == "" {
			uri = op.Resources[0]
		}
		f.Message, f.Data = "Resource not found", fmt.Sprintf(`{"uri":%s}`, strict.Quote(uri))
		if !op.Modern {
			f.Code = codeNotFound
		}
	default:
		f.Code, f.Message = codeMethod, "Method not found"
	}
	switch {
	case !op.Modern:
		f.Status = http.StatusOK // in the era of sessions an error is an answer like any other
	case f.Code == codeMethod:
		f.Status = http.StatusNotFound
	}
	return f.to(op)
}

// Refused is the answer to a request that is refused openly, with the gate's own code and words.
func Refused(op Operation, status int, message, data string) *Fault {
	return (&Fault{Status: status, Code: -32000, Message: message, Data: data}).to(op)
}
