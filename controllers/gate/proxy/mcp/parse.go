package mcp

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"

	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
)

// Kind of a message from a client.
type Kind int

// The kinds. An Answer is a client's to a request of the server, which there is in the era of sessions only.
const (
	Request Kind = iota
	Notification
	Answer
)

// Operation is what one POST asks for.
type Operation struct {
	Kind Kind
	// ID as JSON, a string or a number; empty for a notification.
	ID string
	// Method of a request or notification.
	Method string
	// Version that the message is of, as far as it tells. Modern: 2026-07-28, with each request for itself.
	Version string
	Modern  bool
	// Tool, Resource or Prompt that a guarded method is for: one of them is set. Resources are those of subscriptions/listen, each to be judged.
	Tool, Resource, Prompt string
	Resources              []string
	// Arguments of a tool or prompt, a JSON object; nil when there are none.
	Arguments []byte
	// List: the method only lists, describes or keeps up the protocol.
	List bool
	// Filtered: the answer is a list of what has names; see Filter.
	Filtered bool
}

// Versions that are known, oldest first.
var Versions = []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", Modern}

// Modern is the first version without sessions.
const Modern = "2026-07-28"

const metaVersion = "io.modelcontextprotocol/protocolVersion"

// lists are the methods that any who may use a server may use, and whether names are to be filtered out of their answers.
var lists = map[string]bool{
	"initialize": false, "server/discover": false, "ping": false, "logging/setLevel": false, "completion/complete": false,
	"tools/list": true, "resources/list": true, "resources/templates/list": true, "prompts/list": true, "subscriptions/listen": false,
}

// Parse reads the message of a POST. What it accepts it reads as every other reader does; headers that mirror the body agree with it.
func Parse(header http.Header, body []byte) (Operation, *Fault) {
	var op Operation
	v, err := strict.Check(body)
	if err != nil {
		return op, newFault(codeParse, "Parse error: "+err.Error())
	}
	if v.IsArray() {
		return op, newFault(codeRequest, "Batches are not accepted")
	}
	var params strict.Value
	if err := op.message(v, &params); err != nil {
		return op, newFault(codeRequest, "Invalid request: "+err.Error()).to(op)
	}
	if op.Kind != Answer {
		op.List = op.Kind == Notification
		if filtered, ok := lists[op.Method]; ok && op.Kind == Request {
			op.List, op.Filtered = true, filtered
		}
		if err := op.readParams(params); err != nil {
			return op, newFault(codeParams, "Invalid params: "+err.Error()).to(op)
		}
	}
	if f := op.checkHeader(header, params); f != nil {
		return op, f.to(op)
	}
	return op, nil
}

var messageFields = []string{"jsonrpc", "id", "method", "params", "result", "error"}

// message reads the frame.
func (op *Operation) message(v strict.Value, params *strict.Value) error {
	if !v.IsObject() {
		return errors.New("it is no object")
	}
	have := map[string]strict.Value{}
	if err := v.Fields(messageFields, func(name string, value strict.Value) error { have[name] = value; return nil }); err != nil {
		return err
	}
	if version, err := have["jsonrpc"].Text(); err != nil || version != "2.0" {
		return errors.New(`jsonrpc must be "2.0"`)
	}
	id, hasID := have["id"]
	if hasID {
		if !isID(id.Raw) {
			return errors.New("id must be a string or a whole number")
		}
		op.ID = string(id.Raw)
	}
	_, hasResult := have["result"]
	_, hasError := have["error"]
	method, hasMethod := have["method"]
	switch {
	case hasMethod && (hasResult || hasError), !hasMethod && hasResult == hasError, !hasMethod && !hasID:
		return errors.New("it is neither a request nor a notification nor an answer")
	case !hasMethod:
		op.Kind = Answer
		return nil
	case !hasID:
		op.Kind = Notification
	}
	var err error
	if op.Method, err = method.Text(); err != nil || op.Method == "" {
		return errors.New("method must be a string")
	}
	*params = have["params"]
	return nil
}

// isID accepts strings and whole numbers.
func isID(raw []byte) bool {
	if len(raw) > 0 && raw[0] == '"' {
		return true
	}
	digits := bytes.TrimPrefix(raw, []byte("-"))
	for _, c := range digits {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(digits) > 0 && len(digits) < 20
}

var paramFields = []string{"name", "uri", "arguments", "notifications", "taskId", "_meta"}

// readParams takes from the parameters what the method is for.
func (op *Operation) readParams(params strict.Value) error {
	if params.Raw != nil && !params.IsObject() {
		return errors.New("params must be an object")
	}
	have := map[string]strict.Value{}
	if params.Raw != nil {
		if err := params.Fields(paramFields, func(name string, v strict.Value) error { have[name] = v; return nil }); err != nil {
			return err
		}
	}
	if op.Kind != Request {
		return nil
	}
	var err error
	switch op.Method {
	case "tools/call":
		op.Tool, err = named(have, "name")
		if err == nil {
			err = op.arguments(have)
		}
	case "prompts/get":
		op.Prompt, err = named(have, "name")
		if err == nil {
			err = op.arguments(have)
		}
	case "resources/read", "resources/subscribe", "resources/unsubscribe":
		if op.Resource, err = named(have, "uri"); err == nil {
			err = plain(op.Resource)
		}
	case "subscriptions/listen":
		err = op.listen(have["notifications"])
	}
	return err
}

// named gives a text that must be there.
func named(have map[string]strict.Value, name string) (string, error) {
	s, err := have[name].Text()
	if err != nil || s == "" {
		return "", fmt.Errorf("%s must be a string that is not empty", name)
	}
	return s, nil
}

func (op *Operation) arguments(have map[string]strict.Value) error {
	v, ok := have["arguments"]
	if !ok || v.IsNull() {
		return nil
	}
	if !v.IsObject() {
		return errors.New("arguments must be an object")
	}
	op.Arguments = v.Raw
	return nil
}

// listen reads which resources a subscription is for.
func (op *Operation) listen(v strict.Value) error {
	if v.Raw == nil {
		return nil
	}
	if !v.IsObject() {
		return errors.New("notifications must be an object")
	}
	return v.Fields([]string{"resourceSubscriptions"}, func(_ string, v strict.Value) error {
		if v.IsNull() {
			return nil
		}
		if !v.IsArray() {
			return errors.New("resourceSubscriptions must be an array")
		}
		return v.Items(func(v strict.Value) error {
			uri, err := v.Text()
			if err != nil {
				return errors.New("resourceSubscriptions must be strings")
			}
			op.Resources = append(op.Resources, uri)
			return plain(uri)
		})
	})
}
