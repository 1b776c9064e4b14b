package proxy

// protocol takes a request of one of its routes, which the path told, from stage 3 to the end of stage 9. It sees to it that the route is good
// for the caller (found), that rules decide (input, decide), that a backend is chosen (choose) and that the decision is recorded (record) before
// anything leaves, in this order. What it gives is told to the client in its dialect.
type protocol func(x *exchange) *refusal

// protocols that a route may have. Those of models are found by their paths and never by a route's.
var protocols = map[string]protocol{
	OpenAI:    noPath,
	Anthropic: noPath,
	MCP:       serveMCP,
	HTTP:      serveHTTP,
	CONNECT:   noPath, // found by its hosts
	TCP:       noPath, // its gate speaks no HTTP
}

func noPath(*exchange) *refusal { return refuse(NoRoute, "") }
