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
	VarProcess  = "MIRROROS_PROCESS"
	VarInstance = "MIRROROS_INSTANCE"
	VarOrdinal  = "ORDINAL"
)

// PortVariable is the name of the variable that holds a port's number: PORT_HTTP for http, PORT_MY_API for my-api.
func PortVariable(port string) string {
	return VarPort + "_" + strings.ToUpper(strings.ReplaceAll(port, "-", "_"))
}

// baseVariables are those that every process has: the fixed environment and the names of the instance.
var baseVariables = []string{"PATH", "HOME", "USER", "LANG", "TZ", VarVersion, VarProcess, VarInstance, VarOrdinal}
