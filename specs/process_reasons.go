package specs

// Types of conditions of a Process and an Instance, beside those that every kind has.
const (
	// ConditionExecutableChanged: the program's file is another than the one that runs.
	ConditionExecutableChanged = "ExecutableChanged"
	// ConditionConfigChanged: a config file is another than the one that was read at the start.
	ConditionConfigChanged = "ConfigChanged"
	// ConditionLogIntact is False when the workload truncated or deleted its own log.
	ConditionLogIntact = "LogIntact"
	// ConditionSandboxDegraded: something of the sandbox is open, because this host cannot block it, or the process leaves it out.
	ConditionSandboxDegraded = "SandboxDegraded"
	// ConditionLimitsDegraded: some of the limits are not in force, because this host cannot enforce them, or not yet.
	ConditionLimitsDegraded = "LimitsDegraded"
)

// Reasons of a Process and its Instances while they come up and run.
const (
	// ReasonRunning: the main process runs, and is ready where a probe says so.
	ReasonRunning = "Running"
	// ReasonStarting: it was started, and its startup probe has not succeeded yet.
	ReasonStarting = "Starting"
	// ReasonStarted: the event of a start.
	ReasonStarted = "Started"
	// ReasonAdopted: the operator came back and found it running.
	ReasonAdopted = "Adopted"
	// ReasonWaitingForDependency: another object is not as far as dependsOn says.
	ReasonWaitingForDependency = "WaitingForDependency"
	// ReasonProgressing: instances of the current template are on their way.
	ReasonProgressing = "Progressing"
	// ReasonMinReadySeconds: it is ready, but not for long enough.
	ReasonMinReadySeconds = "MinReadySeconds"
	// ReasonReadinessFailed: the readiness probe fails.
	ReasonReadinessFailed = "ReadinessFailed"
	// ReasonNotEnforced: what was asked for is not in force.
	ReasonNotEnforced = "NotEnforced"
	// ReasonLimited: other limits are in force.
	ReasonLimited = "Limited"
	// ReasonPortAllocated: it was given a port.
	ReasonPortAllocated = "PortAllocated"
)

// Reasons why an instance does not run, or cannot.
const (
	// ReasonCrashLoopBackOff: it keeps failing, and the next start waits.
	ReasonCrashLoopBackOff = "CrashLoopBackOff"
	// ReasonCannotStart: the program could not be started: it is not there, not executable, or its user is not known.
	ReasonCannotStart = "CannotStart"
	// ReasonEnvironmentUnavailable: a file that env or envFrom names cannot be read.
	ReasonEnvironmentUnavailable = "EnvironmentUnavailable"
	// ReasonPortUnavailable: a fixed port is in use, or no port is free.
	ReasonPortUnavailable = "PortUnavailable"
	// ReasonStateDirectoryUnavailable: the state directory cannot be made.
	ReasonStateDirectoryUnavailable = "StateDirectoryUnavailable"
	// ReasonSandboxUnavailable: this host cannot give the sandbox, or it has a path that is not there.
	ReasonSandboxUnavailable = "SandboxUnavailable"
	// ReasonLogUnavailable: the log file cannot be made, for instance because the disk is full.
	ReasonLogUnavailable = "LogUnavailable"
	// ReasonStopped: no copy is to run, because replicas is 0 or somebody stopped it.
	ReasonStopped = "Stopped"
	// ReasonStopping: it was asked to end.
	ReasonStopping = "Stopping"
)

// Reasons for the end of a run.
const (
	// ReasonCompleted: it ended with exit code 0.
	ReasonCompleted = "Completed"
	// ReasonError: it ended with another exit code.
	ReasonError = "Error"
	// ReasonSignaled: a signal ended it.
	ReasonSignaled = "Signaled"
	// ReasonOOMKilled: the kernel ended it for want of memory.
	ReasonOOMKilled = "OOMKilled"
	// ReasonLivenessFailed and ReasonStartupFailed: a probe failed for good, so it was restarted.
	ReasonLivenessFailed = "LivenessFailed"
	ReasonStartupFailed  = "StartupFailed"
	// ReasonLost: it was gone when the operator came back, for instance after a reboot.
	ReasonLost = "Lost"
	// ReasonUnknown: nobody saw how it ended.
	ReasonUnknown = "Unknown"
)

// Reasons of events about what was done to an instance.
const (
	// ReasonKilling: it is being stopped.
	ReasonKilling = "Killing"
	// ReasonGraceExceeded: it did not end within its grace period, so its whole tree was killed.
	ReasonGraceExceeded = "GraceExceeded"
	// ReasonExited: a run ended.
	ReasonExited = "Exited"
	// ReasonRestarted: it was started again in place.
	ReasonRestarted = "Restarted"
	// ReasonReplaced: its template changed, so another instance takes its place.
	ReasonReplaced = "Replaced"
	// ReasonScaled: replicas changed.
	ReasonScaled = "Scaled"
	// ReasonReloaded and ReasonReloadFailed: it was told to read its configuration again.
	ReasonReloaded     = "Reloaded"
	ReasonReloadFailed = "ReloadFailed"
	// ReasonPreStopFailed: preStop did not succeed; the stop went on.
	ReasonPreStopFailed = "PreStopFailed"
	// ReasonExecutableChanged and ReasonConfigChanged: a file changed in place.
	ReasonExecutableChanged = "ExecutableChanged"
	ReasonConfigChanged     = "ConfigChanged"
	// ReasonEscaped: a process of its tree is outside of its cgroup.
	ReasonEscaped = "Escaped"
	// ReasonLogTruncated and ReasonLogDeleted: the workload did it to its own log.
	ReasonLogTruncated = "LogTruncated"
	ReasonLogDeleted   = "LogDeleted"
)
