package proxy

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"mirroros.dev/mirroros/reconcile/audit"
)

// maxRecorded is what a record holds of a body at most.
const maxRecorded = 1 << 20

// refuse ends a request before its answer began. A refusal before the decision was recorded is the decision; one after it is a failure.
func (x *exchange) refuse(bad *refusal) {
	info := reasons[bad.reason]
	if bad.rule != nil {
		x.rule = bad.rule
	}
	outcome := audit.Refused
	if x.decided || info.status >= http.StatusInternalServerError && info.stage > 1 {
		outcome = audit.Failed
	}
	x.reason, x.status, x.failed = bad.reason, info.status, true
	switch {
	case bad.answer != nil:
		x.status = bad.answer.Status
	case x.r.Method == http.MethodConnect && x.status == http.StatusUnauthorized:
		x.status = http.StatusProxyAuthRequired
	}
	if bad.err != nil {
		x.log.V(1).Info("Request refused", "request", x.id, "gate", x.name, "reason", bad.reason, "error", bad.err.Error())
	}
	if !x.decided {
		r := x.decision(outcome)
		r.Status, r.Milliseconds = x.status, x.now().Sub(x.began).Milliseconds()
		if bad.text != "" {
			r.Text = clip(bad.text+bad.note, 1024)
		}
		if bad.err != nil {
			r.Text = clip(bad.err.Error(), 1024)
		}
		if bad.exceeded != nil {
			r.Budget = bad.exceeded.Budget
		}
		if bad.reason != AuditFailed {
			x.server.o.Audit.Post(r)
		}
	}
	if x.begun {
		return // it is too late to say anything
	}
	x.tell(bad, outcome)
}

// tell writes the refusal in the client's dialect.
func (x *exchange) tell(bad *refusal, outcome string) {
	if x.dialect == nil {
		x.dialect = plainError
	}
	x.begun = true
	media, body := x.dialect(x.status, bad.reason, "refused by mirrorgate: "+bad.Error()+" (request "+x.id+")", x.id)
	if bad.answer != nil {
		media, body = jsonMedia, append(bad.answer.Body(), '\n')
	}
	h := x.w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-MirrorGate-Reason", string(bad.reason))
	switch {
	case bad.exceeded != nil:
		bad.exceeded.mark(h)
	case bad.reason == BoundsBroken:
		h.Set("X-Should-Retry", "false")
	}
	switch x.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="mirrorgate"`)
	case http.StatusProxyAuthRequired:
		h.Set("Proxy-Authenticate", `Basic realm="mirrorgate"`)
	case http.StatusRequestEntityTooLarge:
		h.Set("Connection", "close")
	}
	x.mark(outcome)
	x.w.WriteHeader(x.status)
	if x.r.Method != http.MethodHead {
		n, _ := x.w.Write(body)
		x.sent = int64(n)
	}
}

// end is called once for each request, whatever happened.
func (x *exchange) end() {
	p := recover()
	if p != nil && p != http.ErrAbortHandler {
		x.log.Error(nil, "Request failed", "request", x.id, "gate", x.name, "panic", p, "stack", string(debug.Stack()))
		x.reason, x.status, x.failed = Internal, http.StatusInternalServerError, true
		if !x.begun {
			x.refuse(refuse(Internal, ""))
			p = nil
		}
	}
	x.active.remove(x, x.server.view.Load())
	x.ctx.cancel(nil)
	x.held.Add(-x.read)
	x.running.Add(-1)
	x.settle()
	if p == nil {
		x.deliver()
	}
	took := x.now().Sub(x.began)
	if x.decided {
		x.server.o.Audit.Post(x.ending(took))
	}
	x.count(took)
	if p == nil {
		x.giveBack() // what failed may still be looked at
	} else {
		panic(http.ErrAbortHandler) // the connection ends, so that a client sees that its answer is not whole
	}
}

// deliver lets a short answer go out, when the request holds nothing any more that the client's next one may need, and before what happened is noted.
func (x *exchange) deliver() {
	if x.ready && http.NewResponseController(x.w).Flush() != nil {
		x.reason, x.failed = ClientGone, true
	}
}

// ending is the record of stage 11.
func (x *exchange) ending(took time.Duration) *audit.Record {
	r := x.recordOf(audit.KindOutcome)
	if r.Decision = x.outcome(); x.failed {
		r.Decision, r.Reason, r.Stage = audit.Failed, string(x.reason), reasons[x.reason].stage
	} else if x.reason == BackendLeft {
		r.Reason, r.Stage = string(x.reason), reasons[x.reason].stage
	}
	r.Filters = x.answered
	r.Status, r.ResponseSize, r.Milliseconds = x.status, x.sent, took.Milliseconds()
	r.InputTokens, r.OutputTokens = x.usage.input(), x.usage.output()
	r.ResponseDigest, r.ResponseBody = x.answer.result()
	return r
}

// digester looks at an answer as far as the audit level of the gate asks for it.
type digester struct {
	digests, bodies bool
	sum             hash.Hash // of what was fed
	whole           string    // the digest of an answer that came in one piece
	text            []byte
}

func (d *digester) begin(level string) { d.digests, d.bodies = level != "Metadata", level == "Bodies" }

// feed looks at a piece of the answer.
func (d *digester) feed(p []byte) {
	if d.digests {
		if d.sum == nil {
			d.sum = sha256.New()
		}
		d.sum.Write(p)
	}
	d.note(p)
}

// feedAll looks at an answer that is one piece.
func (d *digester) feedAll(p []byte) {
	if d.digests {
		d.whole = digestOf(p)
	}
	d.note(p)
}

func (d *digester) note(p []byte) {
	if d.bodies && len(d.text) <= maxRecorded {
		d.text = append(d.text, p...)
	}
}

func (d *digester) result() (digest, body string) {
	switch {
	case !d.digests:
		return "", ""
	case d.sum != nil:
		digest = hex.EncodeToString(d.sum.Sum(nil))
	case d.whole != "":
		digest = d.whole
	default:
		digest = digestOf(nil)
	}
	return digest, clip(string(d.text), maxRecorded)
}

// digestOf is the SHA-256 of a text, as records have it.
func digestOf(p []byte) string {
	sum := sha256.Sum256(p)
	var b [2 * sha256.Size]byte
	hex.Encode(b[:], sum[:])
	return string(b[:])
}
