package specs

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

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
var baseVariables = []string{"PATH", "HOME", "USER", "LANG", "TZ", VarVersion, VarProcess, VarInstance, VarOrdinal,
	VarTokenFile}

// proxyVariables are those that spec.proxy sets.
var proxyVariables = []string{"HTTP_PROXY", "HTTPS_PROXY"}

// gateOf is the gate that a variable is the address of; ok is false for any other variable.
func gateOf(variable string) (gate string, ok bool) {
	name, ok := strings.CutPrefix(variable, VarGatePrefix)
	gate = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	return gate, ok && GateVariable(gate) == variable && len(validation.IsDNS1123Label(gate)) == 0
}

// gateVariables are the variables of gates that a process expands, each once. Those that env declares are the process' own.
func gateVariables(s *ProcessSpec) []string {
	var names []string
	eachGateVariable(s, func(_, name string) { names = append(names, name) })
	return names
}

// PrincipalName is who the process is to the gates.
func (o *Process) PrincipalName() string {
	if o.Spec.Principal != "" {
		return o.Spec.Principal
	}
	return PrincipalOfProcess + o.Name
}
