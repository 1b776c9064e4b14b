package specs

// Reasons of Gate, Route, GateRule and Principal.
const (
	// ReasonServing: a gate runs the newest configuration.
	ReasonServing = "Serving"
	// ReasonWaitingForGate: no gate has said what it runs.
	ReasonWaitingForGate = "WaitingForGate"
	// ReasonSnapshotPending: a newer configuration is on its way to the gate.
	ReasonSnapshotPending = "SnapshotPending"
	// ReasonSnapshotRefused: the gate cannot load the newest configuration and goes on with the last.
	ReasonSnapshotRefused = "SnapshotRefused"
	// ReasonSnapshotUnwritten: the configuration could not be written for the gate.
	ReasonSnapshotUnwritten = "SnapshotUnwritten"
	// ReasonCannotListen: the address cannot be had.
	ReasonCannotListen = "CannotListen"
	// ReasonNoCgroups: instances have no cgroup of their own, so that no caller by TCP is known by its process.
	ReasonNoCgroups = "NoCgroups"
	// ReasonNoEndpoints: no backend is ready.
	ReasonNoEndpoints = "NoEndpoints"
	// ReasonBoundsBroken: a backend of the route took more than it was told to, so the gate sends it nothing any more.
	ReasonBoundsBroken = "BoundsBroken"
	// ReasonExpired: the rule has ended.
	ReasonExpired = "Expired"
	// ReasonShadow: the rule is counted and decides nothing.
	ReasonShadow = "Shadow"
	// ReasonTokenCreated, ReasonTokenRevoked and ReasonTokenExpiring: what becomes of tokens.
	ReasonTokenCreated  = "TokenCreated"
	ReasonTokenRevoked  = "TokenRevoked"
	ReasonTokenExpiring = "TokenExpiring"
)
