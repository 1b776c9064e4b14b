package proxy

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"mirroros.dev/mirroros/reconcile/audit"
)

// unread refuses what net/http could not take for a request, of which it says so itself: it records it, and makes the answer that the client
// gets instead of net/http's. There is one for each connection at most, since none is read on after it.
func (g *gateServer) unread(c *conn, said []byte) []byte {
	status, text := statusLine(said)
	reason := BadHead
	for _, r := range []Reason{HeadTooLarge, BadEncoding, BadVersion, BadExpectation} {
		if reasons[r].status == status {
			reason = r
		}
	}
	if reason == BadHead {
		status = reasons[BadHead].status
	}
	now := g.now()
	r := &audit.Record{Kind: audit.KindDecision, Request: requestID(now), Gate: g.name, Decision: audit.Refused, Reason: string(reason),
		Stage: reasons[reason].stage, Status: status, Peer: peerName(c.RemoteAddr().String()), Text: clip(text, 1024)}
	if gate := g.view.Load().gates[g.name]; gate != nil {
		r.Snapshot = gate.number
	}
	g.o.Audit.Post(r)
	g.countUnread(reason, status)

	message := refuse(reason, "%s", text).Error()
	media, body := plainError(status, reason, "refused by mirrorgate: "+message+" (request "+r.Request+")", r.Request)
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	_ = http.Header{"Content-Type": {media}, "Content-Length": {strconv.Itoa(len(body))}, "Connection": {"close"}, "X-Content-Type-Options": {"nosniff"},
		"X-Mirrorgate-Decision": {audit.Refused}, "X-Mirrorgate-Reason": {string(reason)}, "X-Mirrorgate-Request-Id": {r.Request}}.Write(&b)
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// statusLine reads the status of an answer of net/http, and what it says more than the status. It quotes nothing of the client's.
func statusLine(said []byte) (status int, text string) {
	line, _, _ := strings.Cut(string(said), "\r\n")
	_, line, _ = strings.Cut(line, " ")
	number, line, _ := strings.Cut(line, " ")
	status, _ = strconv.Atoi(number)
	_, text, _ = strings.Cut(line, ": ")
	return status, text
}
