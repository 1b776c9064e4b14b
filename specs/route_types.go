package specs

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Route is a stable name on a gate (a model, a path, a host) and the backends behind it. Names, grants and rules belong to the route; the
// backends may be swapped.
type Route struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   RouteSpec   `json:"spec,omitempty"`
	Status RouteStatus `json:"status,omitzero"`
}

// RouteSpec is the desired state of a Route.
type RouteSpec struct {
	// Why this route exists, in a sentence.
	Why string `json:"why,omitempty"`
	// Gate that serves the route.
	Gate string `json:"gate"`
	// Protocol that clients speak: OpenAI, Anthropic, MCP, HTTP, TCP or CONNECT.
	Protocol RouteProtocol `json:"protocol"`
	// Match says which requests are the route's. A TCP route takes all of its gate and has none.
	Match RouteMatch `json:"match,omitzero"`
	// Backends serve the route, in proportion to their weights. A CONNECT route has none: it goes where match.hosts lets it.
	Backends []RouteBackend `json:"backends,omitempty"`
	// Fallbacks are tried in their order when the backend that was chosen fails for a reason of fallbackOn. None may be more remote.
	Fallbacks []RouteBackend `json:"fallbacks,omitempty"`
	// FallbackOn lists the reasons. Default: all of them. Nothing is tried again once the answer has begun.
	FallbackOn []FallbackReason `json:"fallbackOn,omitempty"`
	// Remote must be true for a CONNECT route to hosts that are not loopback.
	Remote bool `json:"remote,omitempty"`
	// Timeouts of a request.
	Timeouts *RouteTimeouts `json:"timeouts,omitempty"`
	// Limits of a model call.
	Limits *RouteLimits `json:"limits,omitempty"`
	// Pricing of every backend that sets none. Default: none, and no budget of cost may be over the route.
	Pricing *Pricing `json:"pricing,omitempty"`
}

// RouteProtocol is what clients of a route speak.
type RouteProtocol string

// The route protocols.
const (
	ProtocolOpenAI    RouteProtocol = "OpenAI"
	ProtocolAnthropic RouteProtocol = "Anthropic"
	ProtocolMCP       RouteProtocol = "MCP"
	ProtocolHTTP      RouteProtocol = "HTTP"
	ProtocolTCP       RouteProtocol = "TCP"
	ProtocolCONNECT   RouteProtocol = "CONNECT"
)

// RouteMatch says which requests are a route's.
type RouteMatch struct {
	// Models that clients name, of protocols OpenAI and Anthropic. A name may end in *.
	Models []string `json:"models,omitempty"`
	// Path that requests are at or below, of protocols MCP and HTTP. The longest that matches wins.
	Path string `json:"path,omitempty"`
	// Hosts that a CONNECT route may reach, as host:port; the host may begin with *. for the names below it.
	Hosts []string `json:"hosts,omitempty"`
}

// RouteBackend is a process or a URL that serves a route.
type RouteBackend struct {
	// Process by name; its ready instances share the requests.
	Process string `json:"process,omitempty"`
	// Port of the process, by name. Default: its first.
	Port string `json:"port,omitempty"`
	// URL of a server that is no process of this operator: scheme, host, port and, before the path of the request, a path.
	URL string `json:"url,omitempty"`
	// Remote must be true for a URL that is not loopback.
	Remote bool `json:"remote,omitempty"`
	// Path at the backend in place of the route's path, of protocols MCP and HTTP. Default: the path is kept.
	Path string `json:"path,omitempty"`
	// Model at the backend in place of the name that clients use. Default: the name is kept.
	Model string `json:"model,omitempty"`
	// Weight of the backend among the others, from 0 to 1000; 0 takes it out. Default 1 for all, or what is declared.
	Weight *int32 `json:"weight,omitempty"`
	// Auth is what the gate tells the backend in place of the client's own credentials, which never go on.
	Auth *BackendAuth `json:"auth,omitempty"`
	// Pricing is what the backend takes. Default: that of the route.
	Pricing *Pricing `json:"pricing,omitempty"`
}

// BackendAuth is a header with a secret.
type BackendAuth struct {
	// Header to set. Default Authorization, with the word Bearer before the value.
	Header string `json:"header,omitempty"`
	// ValueFrom takes the secret from a file, which only the gate reads.
	ValueFrom BackendAuthSource `json:"valueFrom"`
}

// BackendAuthSource is where a secret comes from.
type BackendAuthSource struct {
	// File takes the content of a file, without one trailing newline.
	File *FileSource `json:"file"`
}

// FallbackReason is why a backend failed.
type FallbackReason string

// The fallback reasons.
const (
	FallbackNotReady         FallbackReason = "NotReady"
	FallbackConnectError     FallbackReason = "ConnectError"
	FallbackStatus5xx        FallbackReason = "Status5xx"
	FallbackFirstByteTimeout FallbackReason = "FirstByteTimeout"
)

// RouteTimeouts of a request. 0s is no limit, as in the Gateway API.
type RouteTimeouts struct {
	// Connect to a backend. Default 2s.
	Connect *metav1.Duration `json:"connect,omitempty"`
	// FirstByte of the answer after the request was sent. Default 120s.
	FirstByte *metav1.Duration `json:"firstByte,omitempty"`
	// Idle between two pieces of the answer, and of a tunnel in both directions. Default 60s; 0s for TCP, CONNECT and upgraded connections.
	Idle *metav1.Duration `json:"idle,omitempty"`
	// Request as a whole. Default 0s.
	Request *metav1.Duration `json:"request,omitempty"`
}

// RouteLimits of a model call.
type RouteLimits struct {
	// DefaultOutputTokens is what is put in when the client says nothing. Default: maxOutputTokens.
	DefaultOutputTokens *int64 `json:"defaultOutputTokens,omitempty"`
	// MaxOutputTokens is the most; a client that asks for more is given that. Default: no limit.
	MaxOutputTokens *int64 `json:"maxOutputTokens,omitempty"`
	// InputTokens says how the input of a call is bounded before the call, where a budget must know.
	InputTokens *RouteInputTokens `json:"inputTokens,omitempty"`
	// ImageTokens is what an image counts as before the call where a budget must know, whatever its size. Default 4096.
	ImageTokens *int64 `json:"imageTokens,omitempty"`
}

// RouteInputTokens says how the input of a call is bounded before the call.
type RouteInputTokens struct {
	// Bound: Bytes (the default), one token a byte, which no tokenizer exceeds; or Learned, from what earlier calls took, which lets more
	// through and may be exceeded.
	Bound InputBound `json:"bound,omitempty"`
}

// InputBound is how the input of a call is bounded before the call.
type InputBound string

// The input bounds.
const (
	InputBoundBytes   InputBound = "Bytes"
	InputBoundLearned InputBound = "Learned"
)

// RouteStatus is what was observed of a Route.
type RouteStatus struct {
	// ObservedGeneration is the generation that the status speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Endpoints that may serve a request now, out of Declared: instances of its processes and URLs.
	Endpoints int32 `json:"endpoints"`
	Declared  int32 `json:"declared"`
	// Conditions: Ready, ResolvedRefs.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
