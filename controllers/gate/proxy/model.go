package proxy

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"

	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
)

// operation is one thing that can be asked of a model, at one path.
type operation struct {
	name      string
	protocols []string // that have it
	method    string
	// caps are the fields that bound the answer; the first is put in when a caller sends none. None where there is nothing to bound.
	caps []string
	// usage tells that a stream tells its usage only when asked to.
	usage bool
	// free: it takes no tokens.
	free bool
}

var modelsOperation = &operation{name: "list_models", protocols: []string{OpenAI, Anthropic}, method: http.MethodGet}

// operations by path.
var operations = map[string]*operation{
	"/v1/chat/completions": {name: "chat", protocols: []string{OpenAI}, method: http.MethodPost,
		caps: []string{"max_tokens", "max_completion_tokens"}, usage: true},
	"/v1/completions":           {name: "text_completion", protocols: []string{OpenAI}, method: http.MethodPost, caps: []string{"max_tokens"}, usage: true},
	"/v1/responses":             {name: "generate_content", protocols: []string{OpenAI}, method: http.MethodPost, caps: []string{"max_output_tokens"}},
	"/v1/embeddings":            {name: "embeddings", protocols: []string{OpenAI}, method: http.MethodPost},
	"/v1/messages":              {name: "chat", protocols: []string{Anthropic}, method: http.MethodPost, caps: []string{"max_tokens"}},
	"/v1/messages/count_tokens": {name: "count_tokens", protocols: []string{Anthropic}, method: http.MethodPost, free: true},
	"/v1/models":                modelsOperation,
}

// call is what a body asks of a model.
type call struct {
	body  strict.Value
	model strict.Value
	// caps are the values of capNames, of length 0 for one that is not there.
	caps    [3]strict.Value
	stream  bool
	options strict.Value // stream_options
	wants   bool         // the usage of a stream
	edits   []strict.Edit
	adds    bool // the request for usage is the gate's own
	capped  bool // the caller sent a cap that bounds this operation
}

// callNames are the names that the gate looks at; none may be there in other case.
var callNames = []string{"model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "max_output_tokens", "tools", "functions",
	"messages", "n", "best_of"}

// readCall reads the body of a call. What it finds goes to the input of the rules too.
func readCall(body []byte, x *exchange) (*call, *refusal) {
	v, err := strict.Check(body)
	if err != nil {
		return nil, refuse(BadJSON, "%v", err)
	}
	if !v.IsObject() {
		return nil, refuse(BadJSON, "it is no object")
	}
	c := &call{body: v}
	err = v.Fields(callNames, func(name string, value strict.Value) error {
		if err := c.field(name, value, x); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, refuse(BadJSON, "%v", err)
	case x.in.LLM.Model == "":
		return nil, refuse(BadRequest, "model is missing")
	}
	return c, nil
}

func (c *call) field(name string, value strict.Value, x *exchange) (err error) {
	llm := &x.in.LLM
	if value.IsNull() && name != "model" {
		if name == "stream_options" {
			c.options = value
		}
		c.addCap(name, value)
		return nil
	}
	switch name {
	case "model":
		c.model = value
		llm.Model, err = value.Text()
	case "stream":
		c.stream, err = value.Bool()
		llm.Stream = c.stream
	case "stream_options":
		err = c.streamOptions(value)
	case "max_tokens", "max_completion_tokens", "max_output_tokens":
		_, err = value.Count()
		c.addCap(name, value)
	case "n", "best_of":
		_, err = value.Count()
	case "messages":
		llm.Messages, err = length(value)
	case "tools", "functions":
		llm.Tools, err = toolNames(value, llm.Tools)
	}
	return err
}

// capNames bound an answer, each in an operation of its own.
var capNames = [...]string{"max_tokens", "max_completion_tokens", "max_output_tokens"}

// addCap notes the value of a cap; of another name it notes nothing.
func (c *call) addCap(name string, value strict.Value) {
	for i := range capNames {
		if capNames[i] == name {
			c.caps[i] = value
		}
	}
}

func (c *call) streamOptions(value strict.Value) error {
	if !value.IsObject() {
		return fmt.Errorf("must be an object")
	}
	c.options = value
	return value.Fields([]string{"include_usage"}, func(_ string, v strict.Value) (err error) {
		if !v.IsNull() {
			c.wants, err = v.Bool()
		}
		return err
	})
}

func length(value strict.Value) (n int64, err error) {
	if !value.IsArray() {
		return 0, fmt.Errorf("must be an array")
	}
	err = value.Items(func(strict.Value) error { n++; return nil })
	return n, err
}

// toolNames reads the names of tools in the shapes of all dialects: with a function in it, with a name, or with a type alone.
func toolNames(value strict.Value, names []string) ([]string, error) {
	if !value.IsArray() {
		return nil, fmt.Errorf("must be an array")
	}
	err := value.Items(func(tool strict.Value) error {
		if !tool.IsObject() {
			return fmt.Errorf("an element must be an object")
		}
		name, kind := "", ""
		err := tool.Fields([]string{"name", "type", "function"}, func(field string, v strict.Value) (err error) {
			switch {
			case field == "type" && !v.IsNull():
				kind, err = v.Text()
			case field == "name" && !v.IsNull():
				name, err = v.Text()
			case field == "function" && v.IsObject():
				err = v.Fields([]string{"name"}, func(_ string, v strict.Value) (err error) {
					name, err = v.Text()
					return err
				})
			}
			return err
		})
		if name == "" {
			name = kind
		}
		names = append(names, name)
		return err
	})
	return names, err
}

// bound puts in the caps of the route, and the request for usage where a stream does not tell it unasked.
func (c *call) bound(op *operation, x *exchange) {
	r, llm := x.route, &x.in.LLM
	limit := r.MaxOutputTokens
	llm.MaxTokens = 0
	if len(op.caps) == 0 {
		return
	}
	found := false
	for i, name := range capNames {
		value := c.caps[i]
		if len(value.Raw) == 0 {
			continue
		}
		n, err := value.Count()
		if err != nil { // null
			continue
		}
		llm.MaxTokens = max(llm.MaxTokens, n)
		found = found || slices.Contains(op.caps, name) // the backend of another operation looks past it
		if limit > 0 && n > limit {
			c.edits = append(c.edits, x.edit(value.Replace(name, strict.Number(limit))))
			x.rewritten = true
		}
	}
	c.capped = found
	if limit > 0 {
		llm.MaxTokens = min(llm.MaxTokens, limit)
	}
	if fill := r.fill(); !found && fill > 0 {
		c.edits = append(c.edits, x.edit(c.put(op.caps[0], strict.Number(fill))))
		llm.MaxTokens, x.rewritten = fill, true
	}
	if op.usage && c.stream && !c.wants {
		c.askForUsage(x)
	}
}

// fill is the cap of those who send none.
func (r *route) fill() int64 {
	if r.DefaultOutputTokens > 0 && (r.MaxOutputTokens == 0 || r.DefaultOutputTokens < r.MaxOutputTokens) {
		return r.DefaultOutputTokens
	}
	return r.MaxOutputTokens
}

// put is the edit that sets a member of the body that is not there, or null.
func (c *call) put(name string, json []byte) strict.Edit {
	if null := c.caps[slices.Index(capNames[:], name)]; len(null.Raw) > 0 {
		return null.Replace(name, json)
	}
	return c.body.Insert(name, json)
}

func (c *call) askForUsage(x *exchange) {
	c.adds = true
	switch {
	case c.options.Raw == nil:
		c.edits = append(c.edits, x.edit(c.body.Insert("stream_options", []byte(`{"include_usage":true}`))))
	case c.options.IsNull():
		c.edits = append(c.edits, x.edit(c.options.Replace("stream_options", []byte(`{"include_usage":true}`))))
	default:
		e := c.options.Insert("include_usage", []byte("true"))
		_ = c.options.Fields([]string{"include_usage"}, func(_ string, v strict.Value) error {
			e = v.Replace("include_usage", []byte("true"))
			return nil
		})
		e.Name = "stream_options"
		c.edits = append(c.edits, x.edit(e))
	}
}

// serveModel takes a call to a model from stage 3 to the end of stage 9.
func serveModel(x *exchange, op *operation) *refusal {
	if x.r.Method != op.method {
		x.w.Header().Set("Allow", op.method)
		return refuse(MethodNotAllowed, "")
	}
	if op == modelsOperation {
		return x.listModels()
	}
	c, bad := x.parseCall(op)
	if bad != nil {
		return bad
	}
	plan, bad := x.admit(c, op)
	if bad != nil && bad.exceeded != nil && bad.exceeded.Downgrade != "" {
		plan, bad = x.downgrade(c, op, bad)
	}
	if bad != nil {
		return bad
	}
	if _, other := x.renames(c, plan[0].backend); other {
		x.edits = append(x.edits, "model")
	}
	if bad := x.record(); bad != nil {
		return bad
	}
	defer x.watch()()
	resp, at, bad := x.forward(plan, func(b *backend) (*upstream.Request, error) { return c.request(x, b), nil })
	if bad != nil {
		return bad
	}
	defer at.busy.Add(-1)
	return x.relay(resp, c.adds)
}

// admit is stages 4 to 6.
func (x *exchange) admit(c *call, op *operation) ([]attempt, *refusal) {
	if bad := x.decide(); bad != nil {
		return nil, bad
	}
	redactions, bad := x.filter(c.body)
	if bad != nil {
		return nil, bad
	}
	c.edits = append(c.edits, redactions...)
	plan, bad := x.choose()
	if bad != nil {
		return nil, bad
	}
	return plan, x.reserveTokens(plan, c, op)
}

// parseCall is stage 3.
func (x *exchange) parseCall(op *operation) (*call, *refusal) {
	if !isJSON(x.r.Header) {
		return nil, refuse(BadMediaType, "")
	}
	if bad := x.readBody(); bad != nil {
		return nil, bad
	}
	c, bad := readCall(x.body, x)
	if bad != nil {
		return nil, bad
	}
	for _, p := range op.protocols {
		if r := x.gate.models[p].find(x.in.LLM.Model); r != nil {
			if bad := x.found(r); bad != nil {
				return nil, bad
			}
		}
	}
	if x.route == nil {
		return nil, refuse(NoModel, "")
	}
	c.bound(op, x)
	x.input()
	x.ended(3)
	return c, nil
}

// renames gives the name that a backend has for the model, and tells whether the body has another.
func (x *exchange) renames(c *call, b *backend) (name string, other bool) {
	said := x.in.LLM.Model
	name = cmp.Or(b.Model, said) // that of the route which the call was downgraded to, if it was
	if x.from != nil {
		said, _ = c.model.Text()
	}
	return name, name != said
}

// edited is the body with edits. Without any it is the body itself.
func (x *exchange) edited(edits []strict.Edit) []byte {
	if len(edits) == 0 {
		return x.body
	}
	return strict.Append(x.lend(strict.Size(x.body, edits)), x.body, edits)
}

// request is what goes to a backend: the body as it was validated, with the edits.
func (c *call) request(x *exchange, b *backend) *upstream.Request {
	edits := c.edits
	if name, other := x.renames(c, b); other {
		edits = append(edits[:len(edits):len(edits)], c.model.Replace("model", strict.Quote(name)))
	}
	return &upstream.Request{Method: x.r.Method, Path: x.r.URL.RequestURI(), Header: x.header(), Body: x.edited(united(edits))}
}
