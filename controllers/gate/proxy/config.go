package proxy

import "time"

// The three things that a gate runs on are files, each numbered and replaced by rename; a gate keeps the last of each that it could load.
// They are apart because they change at different times: Config with an edit, Endpoints with each instance, Identities with each token.
const (
	ConfigFile     = "config.json"
	EndpointsFile  = "endpoints.json"
	IdentitiesFile = "identities.json"
)

// Config is what the gates serve and which rules decide.
type Config struct {
	// Number grows with each config.
	Number int64 `json:"number"`
	// Revision of the stacks that it was made from, for people.
	Revision string `json:"revision,omitempty"`
	// Proven: this very content was in force before, so that its conditions compile. Each is compiled when it is needed first, or in the
	// background while the server serves. One that does not compile after all refuses what it is asked about.
	Proven   bool            `json:"-"`
	Gates    []GateConfig    `json:"gates"`
	Services []ServiceConfig `json:"services,omitempty"`
}

// GateConfig is one gate. Its routes and rules are sorted: routes by name, rules in the order in which they are tried.
type GateConfig struct {
	Name string `json:"name"`
	// Listener by the name of the socket that the operator holds for it.
	Listener string `json:"listener"`
	// Hosts that a Host header may name beside loopback names, when the gate is exposed: its address.
	Exposed bool `json:"exposed,omitempty"`

	Tokens          bool `json:"tokens,omitempty"`
	PeerCredentials bool `json:"peerCredentials,omitempty"`
	Anonymous       bool `json:"anonymous,omitempty"`

	MaxBodyBytes  int64 `json:"maxBodyBytes"`
	MaxConcurrent int   `json:"maxConcurrent"`
	// Durable: a decision is on the disk before the request is forwarded; else it is in the file.
	Durable bool `json:"durable,omitempty"`
	// Audit is Metadata, Digests or Bodies.
	Audit string `json:"audit"`
	// Retain and MaxAuditBytes bound the log.
	Retain        time.Duration `json:"retain"`
	MaxAuditBytes int64         `json:"maxAuditBytes"`

	Routes []RouteConfig `json:"routes,omitempty"`
	Rules  []RuleConfig  `json:"rules,omitempty"`
}

// Protocols of a route, as specs has them.
const (
	OpenAI    = "OpenAI"
	Anthropic = "Anthropic"
	MCP       = "MCP"
	HTTP      = "HTTP"
	TCP       = "TCP"
	CONNECT   = "CONNECT"
	H2C       = "H2C" // of services only
)

// Localities of a route, from its stack.
const (
	Sealed     = "Sealed"
	LocalFirst = "LocalFirst"
	Open       = "Open"
)

// RouteConfig is one route of a gate.
type RouteConfig struct {
	Name     string `json:"name"`
	Protocol string `json:"protocol"`
	Locality string `json:"locality"`

	Models []string `json:"models,omitempty"`
	Path   string   `json:"path,omitempty"`
	Hosts  []string `json:"hosts,omitempty"`
	// Remote: a CONNECT route may leave the host.
	Remote bool `json:"remote,omitempty"`

	Backends  []BackendConfig `json:"backends,omitempty"`
	Fallbacks []BackendConfig `json:"fallbacks,omitempty"`
	// FallbackOn holds NotReady, ConnectError, Status5xx, FirstByteTimeout.
	FallbackOn []string `json:"fallbackOn,omitempty"`

	Connect   time.Duration `json:"connect,omitempty"`
	FirstByte time.Duration `json:"firstByte,omitempty"`
	Idle      time.Duration `json:"idle,omitempty"`
	Request   time.Duration `json:"request,omitempty"`

	DefaultOutputTokens int64 `json:"defaultOutputTokens,omitempty"`
	MaxOutputTokens     int64 `json:"maxOutputTokens,omitempty"`
	// InputBound says how many input tokens are reserved for a call: Bytes (the default) or Learned.
	InputBound string `json:"inputBound,omitempty"`
	// ImageTokens are what an image counts as, whatever its size. Default 4096.
	ImageTokens int64 `json:"imageTokens,omitempty"`
}

// The bounds of the input of a call.
const (
	// BoundBytes: a token for each byte of the body. No byte-level encoding makes more of it.
	BoundBytes = "Bytes"
	// BoundLearned: what the densest text of this route has taken so far, and a quarter more.
	BoundLearned = "Learned"
)

// BackendConfig is one backend of a route.
type BackendConfig struct {
	// Name as it is recorded: process/NAME, or the URL's host.
	Name string `json:"name"`
	// Endpoints names an entry of Endpoints, as PROCESS:PORT; empty for a URL.
	Endpoints string `json:"endpoints,omitempty"`
	URL       string `json:"url,omitempty"`
	Remote    bool   `json:"remote,omitempty"`
	Path      string `json:"path,omitempty"`
	Model     string `json:"model,omitempty"`
	Weight    int    `json:"weight"`
	// AuthHeader is set to the content of AuthFile (absolute), after AuthPrefix.
	AuthHeader string `json:"authHeader,omitempty"`
	AuthPrefix string `json:"authPrefix,omitempty"`
	AuthFile   string `json:"authFile,omitempty"`
	// Price of what it serves; nil is free.
	Price *Price `json:"price,omitempty"`
}

// RuleConfig is one rule.
type RuleConfig struct {
	Name     string `json:"name"`
	Priority int32  `json:"priority"`
	// Place that declares it, as gate.yaml:88; empty for one made through the API.
	Place string `json:"place,omitempty"`

	// All principals, or those of Names, Types and Labels: each that is set must fit, Names and Types each with one of theirs.
	All    bool              `json:"all,omitempty"`
	Names  []string          `json:"names,omitempty"`
	Types  []string          `json:"types,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	// Routes by name; none is all.
	Routes []string `json:"routes,omitempty"`

	// MCP narrows the rule to operations of MCP servers.
	MCP       bool     `json:"mcp,omitempty"`
	Tools     []string `json:"tools,omitempty"`
	Resources []string `json:"resources,omitempty"`
	Prompts   []string `json:"prompts,omitempty"`

	When        string         `json:"when,omitempty"`
	AllowRemote bool           `json:"allowRemote,omitempty"`
	Action      string         `json:"action,omitempty"` // Allow, Deny or, with Filters, empty
	Filters     []FilterConfig `json:"filters,omitempty"`
	Shadow      bool           `json:"shadow,omitempty"`
	Reason      string         `json:"reason,omitempty"`
	Expires     time.Time      `json:"expires,omitzero"`
}

// FilterConfig is one filter of a rule.
type FilterConfig struct {
	Type     string   `json:"type"`
	On       string   `json:"on"`
	Patterns []string `json:"patterns,omitempty"`
	Schema   string   `json:"schema,omitempty"`
}

// ServiceConfig is a service port: a stable port on loopback with the ready instances of a process behind it.
type ServiceConfig struct {
	// Name as PROCESS:PORT.
	Name      string `json:"name"`
	Listener  string `json:"listener"`
	Protocol  string `json:"protocol"` // HTTP, H2C or TCP
	Endpoints string `json:"endpoints"`
}

// Endpoints are the addresses that may serve now, by PROCESS:PORT.
type Endpoints struct {
	Number int64               `json:"number"`
	Ready  map[string][]string `json:"ready"`
}

// Identities are who may call.
type Identities struct {
	Number     int64            `json:"number"`
	Principals []PrincipalEntry `json:"principals"`
	Tokens     []TokenEntry     `json:"tokens,omitempty"`
	Workloads  []WorkloadEntry  `json:"workloads,omitempty"`
	Doors      []DoorEntry      `json:"doors,omitempty"`
}

// DoorEntry is a listener of a gate within the network of one instance, which nobody else can reach: who comes by it is that instance.
type DoorEntry struct {
	// Listener by the name of its socket.
	Listener string `json:"listener"`
	Gate     string `json:"gate"`
	Instance string `json:"instance"`
}

// PrincipalEntry is one identity.
type PrincipalEntry struct {
	Name      string            `json:"name"`
	Type      string            `json:"type"`
	Labels    map[string]string `json:"labels,omitempty"`
	Suspended bool              `json:"suspended,omitempty"`
}

// TokenEntry is one token. The token itself is nowhere but with its owner.
type TokenEntry struct {
	ID string `json:"id"`
	// SHA256 of the token, in hex.
	SHA256    string    `json:"sha256"`
	Principal string    `json:"principal"`
	Instance  string    `json:"instance,omitempty"`
	Expires   time.Time `json:"expires"`
	// Scope names the routes that the token is good for; none is all.
	Scope []string `json:"scope,omitempty"`
}

// WorkloadEntry lets a gate know an instance by its process: by its cgroup where there is one, else by its pid and the pid's pidfs inode. Of a
// TCP connection the kernel tells the number of the cgroup alone.
type WorkloadEntry struct {
	Instance  string `json:"instance"`
	Principal string `json:"principal"`
	Cgroup    string `json:"cgroup,omitempty"`
	CgroupID  uint64 `json:"cgroupID,omitempty"`
	PID       int    `json:"pid"`
	Inode     uint64 `json:"inode,omitempty"`
}
