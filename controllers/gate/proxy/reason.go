package proxy

import (
	"fmt"
	"net/http"

	"mirroros.dev/mirroros/controllers/gate/proxy/mcp"
)

// Reason is a code that says why a request was decided as it was. Each belongs to one stage.
type Reason string

// The reasons, by stage.
const (
	BadTarget        Reason = "BadTarget"
	BadHost          Reason = "BadHost"
	BadHeader        Reason = "BadHeader"
	CrossSite        Reason = "CrossSite"
	MethodNotAllowed Reason = "MethodNotAllowed"
	EncodedBody      Reason = "EncodedBody"
	BadHead          Reason = "BadHead"
	HeadTooLarge     Reason = "HeadTooLarge"
	BadEncoding      Reason = "BadTransferEncoding"
	BadVersion       Reason = "BadVersion"
	BadExpectation   Reason = "BadExpectation"
	Busy             Reason = "Busy"
	Gone             Reason = "GateGone"

	NoCredentials        Reason = "NoCredentials"
	BadCredentials       Reason = "BadCredentials"
	AmbiguousCredentials Reason = "AmbiguousCredentials"
	UnknownToken         Reason = "UnknownToken"
	TokenExpired         Reason = "TokenExpired"
	TokenScope           Reason = "TokenScope"
	PrincipalSuspended   Reason = "PrincipalSuspended"
	UnknownPrincipal     Reason = "UnknownPrincipal"
	Revoked              Reason = "Revoked"

	NoRoute      Reason = "NoRoute"
	NoModel      Reason = "NoModel"
	BodyTooLarge Reason = "BodyTooLarge"
	// UnknownSession: of MCP; 404 has a client begin another.
	UnknownSession Reason = "UnknownSession"
	BodyBroken     Reason = "BodyBroken"
	BadMediaType   Reason = "BadMediaType"
	BadJSON        Reason = "BadJSON"
	BadRequest     Reason = "BadRequest"

	RuleAllowed Reason = "RuleAllowed"
	RuleDenied  Reason = "RuleDenied"
	RuleError   Reason = "RuleError"
	NoRule      Reason = "NoRule"
	// Own: the gate answers by itself, of what the caller may know.
	Own Reason = "Own"

	FilterRefused Reason = "FilterRefused"
	FilterError   Reason = "FilterError"

	SealedRoute      Reason = "SealedRoute"
	RemoteNotAllowed Reason = "RemoteNotAllowed"
	BackendNotReady  Reason = "BackendNotReady"
	BudgetExceeded   Reason = "BudgetExceeded"
	UnboundedCall    Reason = "UnboundedCall"
	BoundsBroken     Reason = "BoundsBroken"
	LedgerFailed     Reason = "LedgerFailed"
	Unaccountable    Reason = "Unaccountable"

	AuditFailed Reason = "AuditFailed"

	BackendAuth      Reason = "BackendAuth"
	ConnectError     Reason = "ConnectError"
	FirstByteTimeout Reason = "FirstByteTimeout"
	BackendBroken    Reason = "BackendBroken"
	IdleTimeout      Reason = "IdleTimeout"
	RequestTimeout   Reason = "RequestTimeout"
	ClientGone       Reason = "ClientGone"
	Ended            Reason = "GateEnded"
	// BackendLeft: of a stream without an end of its own, when its instance is about to be stopped.
	BackendLeft Reason = "BackendLeft"

	AnswerRefused Reason = "AnswerRefused"
	Internal      Reason = "Internal"
)

// reasons say of each the stage, the status that a client gets, and words for people.
var reasons = map[Reason]struct {
	stage, status int
	text          string
}{
	BadTarget:        {1, http.StatusBadRequest, "the path can be read in two ways; send it plain, as /a/b"},
	BadHost:          {1, http.StatusMisdirectedRequest, "the Host header names another host than this gate"},
	BadHeader:        {1, http.StatusBadRequest, "a header is there twice or cannot be taken"},
	CrossSite:        {1, http.StatusForbidden, "a web page of another site may not call this gate"},
	MethodNotAllowed: {1, http.StatusMethodNotAllowed, "the method is not allowed here"},
	EncodedBody:      {1, http.StatusUnsupportedMediaType, "compressed bodies are not taken; send it as it is"},
	BadHead:          {1, http.StatusBadRequest, "the head of the request is malformed"},
	HeadTooLarge:     {1, http.StatusRequestHeaderFieldsTooLarge, "the head of the request is larger than 64 KiB"},
	BadEncoding:      {1, http.StatusNotImplemented, "the only transfer encoding that is taken is chunked, once"},
	BadVersion:       {1, http.StatusHTTPVersionNotSupported, "HTTP/1.1 and HTTP/1.0 are spoken here"},
	BadExpectation:   {1, http.StatusExpectationFailed, "the only expectation that is met is 100-continue"},
	Busy:             {1, http.StatusServiceUnavailable, "the gate has as many requests as it takes at once; try again"},
	Gone:             {1, http.StatusServiceUnavailable, "this gate is no longer served"},

	NoCredentials:        {2, http.StatusUnauthorized, "no credentials; send a token as Authorization: Bearer"},
	BadCredentials:       {2, http.StatusUnauthorized, "the credentials are malformed; send a token as Authorization: Bearer"},
	AmbiguousCredentials: {2, http.StatusUnauthorized, "there are two different credentials; send one"},
	UnknownToken:         {2, http.StatusUnauthorized, "the token is not known, or no longer"},
	TokenExpired:         {2, http.StatusUnauthorized, "the token has expired"},
	TokenScope:           {2, http.StatusForbidden, "the token is not good for this route"},
	PrincipalSuspended:   {2, http.StatusUnauthorized, "the principal is suspended"},
	UnknownPrincipal:     {2, http.StatusUnauthorized, "there is no such principal"},
	Revoked:              {2, http.StatusUnauthorized, "the credentials were revoked meanwhile"},

	NoRoute:        {3, http.StatusNotFound, "no route serves this path"},
	NoModel:        {3, http.StatusNotFound, "no route serves this model"},
	UnknownSession: {3, http.StatusNotFound, "there is no such session of this principal; begin another with initialize"},
	BodyTooLarge:   {3, http.StatusRequestEntityTooLarge, "the body is larger than the gate takes"},
	BodyBroken:     {3, http.StatusBadRequest, "the body ended early, came too slowly or was malformed"},
	BadMediaType:   {3, http.StatusUnsupportedMediaType, "the body must be application/json"},
	BadJSON:        {3, http.StatusBadRequest, "the body is no JSON that can be read in one way only"},
	BadRequest:     {3, http.StatusBadRequest, "the request is malformed"},

	RuleAllowed: {4, http.StatusOK, "a rule allows it"},
	RuleDenied:  {4, http.StatusForbidden, "a rule denies it"},
	RuleError:   {4, http.StatusForbidden, "the condition of a rule cannot be evaluated for this request"},
	NoRule:      {4, http.StatusForbidden, "no rule allows it"},
	Own:         {4, http.StatusOK, "the gate answers by itself"},

	FilterRefused: {5, http.StatusForbidden, "a filter refuses what the request says"},
	FilterError:   {5, http.StatusForbidden, "a filter cannot look at this request"},

	SealedRoute:      {6, http.StatusForbidden, "the route is sealed and has no backend on this host"},
	RemoteNotAllowed: {6, http.StatusForbidden, "no rule allows this request to leave the host, and no local backend serves the route"},
	BackendNotReady:  {6, http.StatusServiceUnavailable, "no backend of the route is ready"},
	BudgetExceeded:   {6, http.StatusTooManyRequests, "a budget has too little left"},
	UnboundedCall:    {6, http.StatusBadRequest, "a budget holds for this call, and part of it can be of any size, which no budget can hold"},
	BoundsBroken:     {6, http.StatusServiceUnavailable, "the route is stopped, because a backend took more than it was told to; it serves again when its owner changes the Route, or restarts the gate"},
	LedgerFailed:     {6, http.StatusServiceUnavailable, "what the budgets have left is not known, or the call cannot be written down"},
	Unaccountable:    {6, http.StatusBadRequest, "the call cannot be accounted for"},

	AuditFailed: {7, http.StatusServiceUnavailable, "the decision cannot be recorded"},

	BackendAuth:      {8, http.StatusBadGateway, "the credentials for the backend cannot be read"},
	ConnectError:     {8, http.StatusBadGateway, "the backend cannot be reached"},
	FirstByteTimeout: {8, http.StatusGatewayTimeout, "the backend did not answer in time"},
	BackendBroken:    {8, http.StatusBadGateway, "the backend broke off or answered no HTTP"},
	IdleTimeout:      {8, http.StatusGatewayTimeout, "the backend stopped in the middle of its answer"},
	RequestTimeout:   {8, http.StatusGatewayTimeout, "the request took longer than the route allows"},
	ClientGone:       {8, 499, "the client went away"},
	Ended:            {8, http.StatusServiceUnavailable, "the gate ended"},
	BackendLeft:      {8, http.StatusServiceUnavailable, "the instance that the stream is from is about to be stopped; ask again"},

	AnswerRefused: {9, http.StatusBadGateway, "a filter refuses what the answer says"},
	Internal:      {8, http.StatusInternalServerError, "the gate failed; see its log"},
}

// refusal is why a request ends before its time.
type refusal struct {
	reason Reason
	// text says more than the reason, to the client too. It never holds a secret.
	text string
	rule *rule
	// answer is what an MCP client is told instead.
	answer *mcp.Fault
	// exceeded is the limit that the call does not fit into.
	exceeded *Exceeded
	// note is for the record, after the text.
	note string
	// err is for the log and the record only.
	err error
}

// Error is what the client is told.
func (r *refusal) Error() string {
	text := reasons[r.reason].text
	if r.rule != nil && r.rule.Reason != "" && r.reason == RuleDenied {
		text = r.rule.Reason
	}
	if r.text != "" {
		text += ": " + r.text
	}
	return text
}

func refuse(reason Reason, format string, args ...any) *refusal {
	r := &refusal{reason: reason}
	if format != "" {
		r.text = fmt.Sprintf(format, args...)
	}
	return r
}
