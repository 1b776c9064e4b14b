package gate

import (
	"time"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/controllers/gate/proxy/control"
	"mirroros.dev/mirroros/specs"
)

// observed is everything that decide may know.
type observed struct {
	Now time.Time

	Gates      []*specs.Gate
	Routes     []*specs.Route
	Rules      []*specs.GateRule
	Principals []*specs.Principal
	Budgets    []*specs.TokenBudget
	Checks     []*specs.Check
	Processes  map[string]*specs.Process
	// Instances by process, sorted by name.
	Instances map[string][]*specs.Instance
	// Locality of each Stack by name; Dirs of the manifests of routes by name.
	Locality map[string]specs.Locality
	Dirs     map[string]string

	// System is the process mirrorgate as it is stored, nil when it is not, and SystemWanted as it ought to be.
	System, SystemWanted *specs.Process
	// RunDir is where unix sockets of gates are.
	RunDir string
	// Bound are the addresses of the listening sockets by name, Faults why one could not be made, Wanted those that were asked for.
	Bound  map[string]string
	Faults map[string]string
	Wanted map[string]string
	// Sockets are the names of all that are held.
	Sockets []string
	// Ensured is when they were asked for last.
	Ensured time.Time

	// Config, Endpoints, Identities and Ledger are those that the files hold.
	Config     proxy.Config
	Endpoints  proxy.Endpoints
	Identities proxy.Identities
	Ledger     ledger.Config
	// Unwritten says why the files could not be written last; empty when they could.
	Unwritten string

	// Running is what each gate that is connected runs, Counts what they told.
	Running []control.Running
	Counts  counts

	// Inherited are the addresses that served when this operator began, until it has had the time to look for itself, at Settled.
	Inherited map[string][]string
	Settled   time.Time

	// Runs are all that run. Tokens that are known; Workloads that run, by which a gate can know them, and Live the same by instance.
	Runs      []Workload
	Tokens    []token
	Workloads []proxy.WorkloadEntry
	Live      map[string]bool
}

// active tells whether there is anything for a gate to do.
func (o *observed) active() bool { return len(o.Gates) > 0 || len(o.services()) > 0 }

// service is a service port of a process.
type service struct {
	process string
	port    specs.ProcessPort
}

func (s service) name() string { return endpointsName(s.process, s.port.Name) }

// services are all service ports, sorted.
func (o *observed) services() []service {
	var out []service
	for _, name := range sortedNames(o.Processes) {
		for _, p := range o.Processes[name].Spec.Ports {
			if p.ServicePort != 0 {
				out = append(out, service{name, p})
			}
		}
	}
	return out
}

// endpointsName names the endpoints of a port of a process.
func endpointsName(process, port string) string { return process + ":" + port }

// Names of listening sockets.
func gateListener(name string) string  { return "gate/" + name }
func serviceListener(s service) string { return "service/" + s.name() }
