package specs

import "strings"

// Variables that every instance gets beside what is declared. They expand as $(NAME) too.
const (
	// VarVersion is spec.version.
	VarVersion = "VERSION"
	// VarPort is the number of the first port; there is none without ports.
	VarPort = "PORT"
	// VarStateDirectory is the path of the state directory; there is none without spec.stateDirectory.
	VarStateDirectory = "STATE_DIRECTORY"
	// VarProcess, VarInstance and VarOrdinal say who it is: the process, the instance, and the number of the copy from 0.
	VarProcess = "MIRROROS_PROCESS"
	// VarTokenFile is the path of the file with the instance's token for the gates; there is none without gates. Its content changes every
	// hour, and the one before is good for an hour more.
	VarTokenFile = "MIRROROS_TOKEN_FILE"
	VarInstance  = "MIRROROS_INSTANCE"
	VarOrdinal   = "ORDINAL"
)

// PortVariable is the name of the variable that holds a port's number: PORT_HTTP for http, PORT_MY_API for my-api.
func PortVariable(port string) string {
	return VarPort + "_" + strings.ToUpper(strings.ReplaceAll(port, "-", "_"))
}

// GateVariable is the name of the variable that holds the address of a gate: MIRROROS_GATE_FRONT for front.
func GateVariable(gate string) string {
	return VarGatePrefix + strings.ToUpper(strings.ReplaceAll(gate, "-", "_"))
}

// VarGatePrefix begins the names of variables that hold addresses of gates.
const VarGatePrefix = "MIRROROS_GATE_"

// baseVariables are those that every process has: the fixed environment and the names of the instance.
var baseVariables = []string{"PATH", "HOME", "USER", "LANG", "TZ", VarVersion, VarProcess, VarInstance, VarOrdinal}
