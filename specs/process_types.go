package specs

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Process keeps a local program running: its command, how many copies, what they need, how they are probed, restarted and stopped.
type Process struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ProcessSpec   `json:"spec"`
	Status ProcessStatus `json:"status,omitzero"`
}

// ProcessSpec is the desired state of a Process.
//
// The template is version, command, args, workingDir, env, envFrom, ports, user, group, principal, proxy and sandbox: a change of any of
// these replaces the instances. A change of anything else touches none; servicePort and appProtocol of a port are the gate's, and not in it.
type ProcessSpec struct {
	// Why this process exists, in a sentence, for whoever finds it running.
	Why string `json:"why,omitempty"`
	// Suspend stops the process and keeps it stopped.
	Suspend bool `json:"suspend,omitempty"`

	// Version is free text that expands as $(VERSION) in command, args, workingDir and env. A change is an upgrade.
	Version string `json:"version,omitempty"`
	// Command is the program and its arguments. A program without a slash is looked up in the PATH of the process;
	// a relative one with a slash starts at the directory of the manifest.
	Command []string `json:"command"`
	// Args are appended to command.
	Args []string `json:"args,omitempty"`
	// WorkingDir is the directory the program starts in. A relative one starts at the directory of the manifest, which is the default.
	WorkingDir string `json:"workingDir,omitempty"`
	// Env sets environment variables. $(NAME) in a value expands to a variable before it in the list, a port or the version.
	Env []EnvVar `json:"env,omitempty"`
	// EnvFrom reads environment variables from files of NAME=value lines. Env wins over it.
	EnvFrom []EnvFromSource `json:"envFrom,omitempty"`
	// Ports the program listens on. Each is given to it as $PORT_<NAME>, the first as $PORT too.
	Ports []ProcessPort `json:"ports,omitempty"`
	// Proxy has the process reach other hosts through a gate.
	Proxy *ProcessProxy `json:"proxy,omitempty"`
	// User to run as: a name or a number. Default: the operator's user.
	User string `json:"user,omitempty"`
	// Group to run as: a name or a number. Default: the user's group.
	Group string `json:"group,omitempty"`
	// Principal that the process is to the gate. Default: process/NAME.
	Principal string `json:"principal,omitempty"`
	// Sandbox confines the program and all that it starts. Default: nothing is blocked.
	Sandbox *ProcessSandbox `json:"sandbox,omitempty"`

	// Replicas is how many copies run. Default 1.
	Replicas *int32 `json:"replicas,omitempty"`
	// DependsOn holds the first start back until other objects are as far as the condition says.
	DependsOn []Dependency `json:"dependsOn,omitempty"`

	// StartupProbe holds the other probes back until it succeeds once; when it fails for good the instance is restarted.
	StartupProbe *Probe `json:"startupProbe,omitempty"`
	// ReadinessProbe decides whether an instance is Ready.
	ReadinessProbe *Probe `json:"readinessProbe,omitempty"`
	// LivenessProbe restarts an instance that fails it.
	LivenessProbe *Probe `json:"livenessProbe,omitempty"`
	// ProgressDeadlineSeconds is how long a change of it may take to get ready before it counts as failed, from 1 to 86400. Default 600. Time
	// that the host sleeps does not count, and an operator that is started again counts from the beginning.
	ProgressDeadlineSeconds *int32 `json:"progressDeadlineSeconds,omitempty"`
	// MinReadySeconds is how long a new instance must be ready before it counts. Default 0.
	MinReadySeconds int32 `json:"minReadySeconds,omitempty"`

	// Resources bound what each instance may use. A change is brought in force in what runs, without a restart where the host can.
	Resources *ProcessResources `json:"resources,omitempty"`

	// RestartPolicy says when an instance that ended is started again: Always (the default), OnFailure or Never.
	RestartPolicy RestartPolicy `json:"restartPolicy,omitempty"`
	// RestartBackoff bounds the wait between restarts of an instance that keeps failing.
	RestartBackoff *Backoff `json:"restartBackoff,omitempty"`

	// TerminationGracePeriodSeconds is how long a stop may take before the whole tree is killed. Default 30.
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`
	// StopSignal asks the program to stop. Default SIGTERM.
	StopSignal string `json:"stopSignal,omitempty"`
	// PreStop runs before stopSignal is sent, within the grace period.
	PreStop *Handler `json:"preStop,omitempty"`

	// StateDirectory is a directory below the operator's data directory, made 0700 for the user and never pruned.
	// It is given as $STATE_DIRECTORY.
	StateDirectory string `json:"stateDirectory,omitempty"`
	// ConfigFiles are watched; onChange says what a change of one does.
	ConfigFiles []ConfigFile `json:"configFiles,omitempty"`
	// Reload is how the program is told to read its configuration again.
	Reload *Reload `json:"reload,omitempty"`
	// OnExecutableChange says what to do when the program's file changes in place: Ignore (the default; a condition tells) or Restart.
	OnExecutableChange ExecutableChangePolicy `json:"onExecutableChange,omitempty"`
	// Log bounds what is kept of the output.
	Log *Log `json:"log,omitempty"`
	// Strategy is how instances of a new template replace the old ones.
	Strategy *Strategy `json:"strategy,omitempty"`
}

// EnvVar is one environment variable, by value or by reference.
type EnvVar struct {
	// Name of the variable.
	Name string `json:"name"`
	// Value of the variable.
	Value string `json:"value,omitempty"`
	// ValueFrom takes the value from elsewhere. Such a value is a secret: it is never printed, and never put into an argument.
	ValueFrom *EnvVarSource `json:"valueFrom,omitempty"`
}

// EnvVarSource is where a value comes from.
type EnvVarSource struct {
	// File takes the content of a file, without one trailing newline.
	File *FileSource `json:"file,omitempty"`
	// Token makes a token of the process' principal when an instance starts, for programs that read it once.
	Token *TokenSource `json:"token,omitempty"`
}

// TokenSource is a token that is made when an instance starts and revoked when it ends.
type TokenSource struct {
	// TTL is how long the token is valid. Default 24h, at least 1m, at most the maxTTL of the principal.
	TTL *metav1.Duration `json:"ttl,omitempty"`
}

// FileSource names a file.
type FileSource struct {
	// Path of the file. A relative one starts at the directory of the manifest.
	Path string `json:"path"`
	// Optional: a file that is not there counts as empty instead of holding the start back.
	Optional bool `json:"optional,omitempty"`
}

// EnvFromSource is a file of NAME=value lines; empty lines and lines that begin with # are passed over.
type EnvFromSource struct {
	// Prefix is put before each name.
	Prefix string `json:"prefix,omitempty"`
	// File to read.
	File *FileSource `json:"file"`
}

// ProcessPort is a port that the program listens on.
type ProcessPort struct {
	// Name of the port, for probes and for $PORT_<NAME>.
	Name string `json:"name"`
	// Port fixes the number. Without it each instance gets a free one from 20000 to 29999, which it keeps.
	Port int32 `json:"port,omitempty"`
	// ServicePort is a stable port on loopback that the gate holds, with the ready instances behind it: clients use it, and the port behind
	// it may change.
	ServicePort int32 `json:"servicePort,omitempty"`
	// AppProtocol that clients of the servicePort speak: HTTP (the default), H2C or TCP.
	AppProtocol AppProtocol `json:"appProtocol,omitempty"`
}

// AppProtocol is what clients of a port speak.
type AppProtocol string

// The application protocols. H2C is HTTP/2 without TLS, which gRPC speaks.
const (
	AppHTTP AppProtocol = "HTTP"
	AppH2C  AppProtocol = "H2C"
	AppTCP  AppProtocol = "TCP"
)

// ProcessProxy has the process reach other hosts through a gate.
type ProcessProxy struct {
	// Gate with routes of protocol CONNECT. $HTTP_PROXY and $HTTPS_PROXY name it, with a token of the process' principal.
	Gate string `json:"gate"`
}

// Dependency is another object and how far it must be: exactly one of process and route.
type Dependency struct {
	// Process by name.
	Process string `json:"process,omitempty"`
	// Route by name; it is Ready when a backend can serve it.
	Route string `json:"route,omitempty"`
	// Condition to wait for: Started, Ready (the default) or Completed (ended with exit code 0).
	Condition DependencyCondition `json:"condition,omitempty"`
}

// DependencyCondition is how far a dependency must be.
type DependencyCondition string

// The conditions of a Dependency.
const (
	DependencyStarted   DependencyCondition = "Started"
	DependencyReady     DependencyCondition = "Ready"
	DependencyCompleted DependencyCondition = "Completed"
)

// ProcessResources bound what each instance may use.
type ProcessResources struct {
	// Limits hold for each instance by itself, with all that it starts. They are those of cgroups, version 2 or 1, and in force before the
	// program begins. What this host cannot enforce is told by the condition LimitsDegraded.
	Limits *ResourceLimits `json:"limits,omitempty"`
	// Requests are what each instance needs. What all processes need together must be there: see memory.
	Requests *ResourceRequests `json:"requests,omitempty"`
}

// ResourceRequests are what an instance needs; what is left out is not known, and not counted.
type ResourceRequests struct {
	// Memory that it needs, such as 512Mi; at least 1Mi, at most limits.memory. A set of manifests whose processes, all copies that run at
	// once, need more than this host has is refused.
	Memory *resource.Quantity `json:"memory,omitempty"`
	// CPU in processors, such as 500m or 2; at least 10m, at most limits.cpu. While there are not enough processors for all, an instance gets
	// its part by this: its cgroup's weight. Default: as much as any other of no request.
	CPU *resource.Quantity `json:"cpu,omitempty"`
}

// ResourceLimits are upper bounds; what is left out is not limited.
type ResourceLimits struct {
	// Memory, such as 512Mi; at least 1Mi. Swap is not added to it. An instance that needs more is killed, and its end has the reason
	// OOMKilled. On a host without a memory cgroup it is RLIMIT_AS of each process, a poor stand-in: what is mapped counts, used or not.
	Memory *resource.Quantity `json:"memory,omitempty"`
	// CPU in processors, such as 500m or 2; at least 10m. An instance that wants more has to wait: it is throttled.
	CPU *resource.Quantity `json:"cpu,omitempty"`
	// Pids is how many processes and threads there may be at once; at least 16. Beyond it none can be started.
	Pids *resource.Quantity `json:"pids,omitempty"`
}

// ProcessSandbox confines the program and all that it starts, from before it begins; none of it can be taken off. Commands of probes,
// preStop and reload run outside of it.
type ProcessSandbox struct {
	// Level of what is blocked; each has all of the one before it.
	//
	// None: nothing is blocked.
	//
	// Restricted: no more rights by executing something (sudo), no capabilities, and of files only these can be opened, listed or changed:
	// to be read the system's programs, libraries and public settings, the program, workingDir, configFiles and readOnlyPaths; to be written
	// stateDirectory and readWritePaths. Processes outside cannot be traced, nor their memory and environment read. NOT blocked: networks,
	// unix sockets, signals to processes of the same user.
	//
	// Strict: besides, TCP connections to the ports of connectTCP alone, no UDP and so no DNS, no other kinds of sockets but unix ones, no
	// io_uring, bpf, mounts, namespaces and keys, no signals to and no abstract unix sockets of processes outside. NOT blocked: unix sockets
	// that have a path, System V shared memory and queues, listening.
	//
	// Isolated: besides, a network of its own with nothing in it but loopback, no unix sockets and no System V shared memory and queues:
	// nothing of the host can be reached. Gates
	// that listen by TCP when an instance starts can be, at their ports on 127.0.0.1; by which instance a request comes they know without a
	// token. Nothing reaches it either, so it has no ports, and its probes are commands.
	//
	// No level blocks seeing whether a file exists, reading command lines of other processes, and executing what it has written.
	Level SandboxLevel `json:"level"`
	// ReadOnlyPaths may be read and executed, a directory with all below it. A relative one starts at the directory of the manifest. Each
	// must exist when an instance starts; of a symlink it is what it leads to.
	ReadOnlyPaths []string `json:"readOnlyPaths,omitempty"`
	// ReadWritePaths may be read, executed and written, such as /tmp; otherwise like readOnlyPaths.
	ReadWritePaths []string `json:"readWritePaths,omitempty"`
	// ConnectTCP are the ports that it may connect to, at any address, at level Strict: that of its gate, for instance.
	ConnectTCP []int32 `json:"connectTCP,omitempty"`
	// Seccomp: Default, or Unconfined to leave the filter of system calls out at level Strict, for programs that it breaks. Then UDP,
	// Multipath TCP, io_uring and namespaces are open. Level Isolated needs the filter.
	Seccomp SeccompMode `json:"seccomp,omitempty"`
	// Capabilities that are dropped. Default: all.
	Capabilities *SandboxCapabilities `json:"capabilities,omitempty"`
	// Required: an instance is not started on a host that cannot give all of the level. The default is true from Strict on. Where it is
	// false the condition SandboxDegraded tells what is missing.
	Required *bool `json:"required,omitempty"`
}

// SandboxLevel is how much a sandbox blocks.
type SandboxLevel string

// The levels of a sandbox.
const (
	SandboxNone       SandboxLevel = "None"
	SandboxRestricted SandboxLevel = "Restricted"
	SandboxStrict     SandboxLevel = "Strict"
	SandboxIsolated   SandboxLevel = "Isolated"
)

// SeccompMode says whether system calls are filtered.
type SeccompMode string

// The modes of seccomp.
const (
	SeccompDefault    SeccompMode = "Default"
	SeccompUnconfined SeccompMode = "Unconfined"
)

// SandboxCapabilities are rights of root that a program can have one by one: capabilities(7).
type SandboxCapabilities struct {
	// Drop these, such as NET_RAW; ALL is all.
	Drop []string `json:"drop,omitempty"`
}

// RestartPolicy says when an instance that ended is started again.
type RestartPolicy string

// The restart policies.
const (
	RestartAlways    RestartPolicy = "Always"
	RestartOnFailure RestartPolicy = "OnFailure"
	RestartNever     RestartPolicy = "Never"
)

// Backoff bounds the wait between restarts. The first restart after a healthy run is at once; then the wait starts at initial,
// doubles, and stays at max.
type Backoff struct {
	// Initial wait. Default 1s.
	Initial *metav1.Duration `json:"initial,omitempty"`
	// Max wait. Default 5m.
	Max *metav1.Duration `json:"max,omitempty"`
	// ResetAfter is how long an instance must run to count as healthy. Default 10s.
	ResetAfter *metav1.Duration `json:"resetAfter,omitempty"`
}

// ExecutableChangePolicy says what to do when a program's file changes in place.
type ExecutableChangePolicy string

// The executable change policies.
const (
	ExecutableChangeIgnore  ExecutableChangePolicy = "Ignore"
	ExecutableChangeRestart ExecutableChangePolicy = "Restart"
)

// ConfigFile is a file whose change matters.
type ConfigFile struct {
	// Path of the file. A relative one starts at the directory of the manifest.
	Path string `json:"path"`
	// OnChange: Restart (the default), Reload or Ignore.
	OnChange ConfigChangePolicy `json:"onChange,omitempty"`
}

// ConfigChangePolicy says what a change of a config file does.
type ConfigChangePolicy string

// The config change policies.
const (
	ConfigChangeRestart ConfigChangePolicy = "Restart"
	ConfigChangeReload  ConfigChangePolicy = "Reload"
	ConfigChangeIgnore  ConfigChangePolicy = "Ignore"
)

// Reload is how a program is told to read its configuration again: exactly one of its fields.
type Reload struct {
	// Signal to send to the main process.
	Signal string `json:"signal,omitempty"`
	// Exec runs a command with the user, environment and directory of the process.
	Exec *ExecAction `json:"exec,omitempty"`
}

// Log bounds what is kept of an instance's output.
type Log struct {
	// MaxBytes kept for each instance. Default 64Mi, at least 64Ki.
	MaxBytes *resource.Quantity `json:"maxBytes,omitempty"`
}

// StrategyType is how instances of a new template replace the old ones.
type StrategyType string

// The strategies.
const (
	StrategyRecreate      StrategyType = "Recreate"
	StrategyRollingUpdate StrategyType = "RollingUpdate"
)

// Strategy is how instances of a new template replace the old ones.
type Strategy struct {
	// Type: Recreate (the default) stops the old instances before the new ones start; RollingUpdate keeps old ones until new ones are ready.
	Type StrategyType `json:"type,omitempty"`
}

// Probe is a health check, in Kubernetes' shape.
type Probe struct {
	Handler `json:",inline"`
	// InitialDelaySeconds after the start of the instance. Default 0.
	InitialDelaySeconds int32 `json:"initialDelaySeconds,omitempty"`
	// PeriodSeconds between probes. Default 10, at least 1.
	PeriodSeconds int32 `json:"periodSeconds,omitempty"`
	// TimeoutSeconds of one probe. Default 1, at least 1.
	TimeoutSeconds int32 `json:"timeoutSeconds,omitempty"`
	// SuccessThreshold is how many successes in a row count as success. Default 1; must be 1 for startup and liveness.
	SuccessThreshold int32 `json:"successThreshold,omitempty"`
	// FailureThreshold is how many failures in a row count as failure. Default 3.
	FailureThreshold int32 `json:"failureThreshold,omitempty"`
}

// Handler is an action: exactly one of its fields.
type Handler struct {
	// HTTPGet succeeds on a status from 200 to 399.
	HTTPGet *HTTPGetAction `json:"httpGet,omitempty"`
	// TCPSocket succeeds when a connection opens.
	TCPSocket *TCPSocketAction `json:"tcpSocket,omitempty"`
	// Exec succeeds when the command exits with 0.
	Exec *ExecAction `json:"exec,omitempty"`
	// GRPC asks grpc.health.v1.Health/Check.
	GRPC *GRPCAction `json:"grpc,omitempty"`
}

// HTTPGetAction is a GET request. Redirects to another host are not followed.
type HTTPGetAction struct {
	// Path to ask for. Default /.
	Path string `json:"path,omitempty"`
	// Port: the name of one of the ports, or a number.
	Port intstr.IntOrString `json:"port"`
	// Host to connect to. Default 127.0.0.1.
	Host string `json:"host,omitempty"`
	// Scheme: HTTP (the default) or HTTPS; certificates are not verified.
	Scheme string `json:"scheme,omitempty"`
	// HTTPHeaders to send.
	HTTPHeaders []HTTPHeader `json:"httpHeaders,omitempty"`
}

// HTTPHeader is one header of a request.
type HTTPHeader struct {
	// Name of the header.
	Name string `json:"name"`
	// Value of the header.
	Value string `json:"value"`
}

// TCPSocketAction opens a connection and closes it.
type TCPSocketAction struct {
	// Port: the name of one of the ports, or a number.
	Port intstr.IntOrString `json:"port"`
	// Host to connect to. Default 127.0.0.1.
	Host string `json:"host,omitempty"`
}

// ExecAction runs a command.
type ExecAction struct {
	// Command and its arguments, without a shell.
	Command []string `json:"command"`
}

// GRPCAction is a call of the standard gRPC health service, without TLS.
type GRPCAction struct {
	// Port: the name of one of the ports, or a number.
	Port intstr.IntOrString `json:"port"`
	// Service to ask about. Default: the server as a whole.
	Service string `json:"service,omitempty"`
}

// ProcessStatus is what was observed of a Process.
type ProcessStatus struct {
	// ObservedGeneration is the generation that the status speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Replicas is how many instances there are.
	Replicas int32 `json:"replicas"`
	// UpdatedReplicas is how many of them have the current template.
	UpdatedReplicas int32 `json:"updatedReplicas"`
	// ReadyReplicas is how many of those are ready.
	ReadyReplicas int32 `json:"readyReplicas"`
	// TemplateHash of the current template.
	TemplateHash string `json:"templateHash,omitempty"`
	// Restarts of the current instances since they were created.
	Restarts int32 `json:"restarts"`
	// Conditions: Ready, Reconciling, Stalled, and what else is to be said.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
