package specs_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// refusals are lines under the spec of a Process with a command, and the one fault that they must have.
var _ = DescribeTable("Validate of a Process refuses", func(lines, want string) {
	got := faultsOf(body + lines)
	Expect(strings.Join(got, "\n")).To(ContainSubstring(want))
	Expect(got).To(HaveLen(1))
},
	Entry("a fixed port for more than one copy", "  replicas: 2\n  ports: [{name: http, port: 80}]\n", "a.yaml:8:30  spec.ports[0].port: 80: a fixed port is for one copy, and replicas is 2"),
	Entry("a negative count", "  replicas: -1\n", "spec.replicas: -1: must be from 0 to 10000"),
	Entry("a port out of range", "  ports: [{name: http, port: 70000}]\n", "spec.ports[0].port: 70000: must be from 1 to 65535"),
	Entry("a port twice", "  ports: [{name: a, port: 80}, {name: b, port: 80}]\n", `spec.ports[1].port: "80" is there twice`),
	Entry("a port's name twice", "  ports: [{name: a}, {name: a}]\n", `spec.ports[1].name: "a" is there twice`),
	Entry("a port without name", "  ports: [{port: 80}]\n", "spec.ports[0].name: is missing"),
	Entry("a port's name that is none", "  ports: [{name: My_Port}]\n", `spec.ports[0].name: "My_Port": must`),
	Entry("a variable twice", "  env: [{name: A, value: a}, {name: A, value: b}]\n", `spec.env[1].name: "A" is there twice`),
	Entry("a variable's name that is none", "  env: [{name: 1=, value: a}]\n", `spec.env[0].name: "1="`),
	Entry("a variable without name", "  env: [{value: a}]\n", "spec.env[0].name: is missing"),
	Entry("a value both ways", "  env: [{name: A, value: a, valueFrom: {file: {path: b}}}]\n", "spec.env[0].valueFrom: there is a value already"),
	Entry("a reference to nothing", "  env: [{name: A, valueFrom: {}}]\n", "spec.env[0].valueFrom.file: is missing"),
	Entry("a file without path", "  envFrom: [{file: {}}]\n", "spec.envFrom[0].file.path: is missing"),
	Entry("a NUL byte", "  workingDir: \"a\\0\"\n", "spec.workingDir: \"a\\x00\": must not have a NUL byte"),
	Entry("a user that is none", "  user: a b\n", `spec.user: "a b": must be the name or the number of a user`),
	Entry("a probe without action", "  livenessProbe: {periodSeconds: 1}\n", "spec.livenessProbe: is missing: exactly one of httpGet, tcpSocket, exec and grpc"),
	Entry("a probe with two actions", "  livenessProbe: {exec: {command: [a]}, grpc: {port: 1}}\n", "spec.livenessProbe.grpc: there is another action already"),
	Entry("a probe's success more than once, for liveness", "  livenessProbe: {exec: {command: [a]}, successThreshold: 2}\n", "spec.livenessProbe.successThreshold: 2: must be 1 here"),
	Entry("a negative number of a probe", "  readinessProbe: {exec: {command: [a]}, periodSeconds: -1}\n", "spec.readinessProbe.periodSeconds: -1: must be at least 1"),
	Entry("a probe without command", "  readinessProbe: {exec: {}}\n", "spec.readinessProbe.exec.command: is missing"),
	Entry("a probe of no port", "  readinessProbe: {httpGet: {}}\n", "spec.readinessProbe.httpGet.port: is missing"),
	Entry("a probe of an unknown port", "  ports: [{name: http}]\n  readinessProbe: {tcpSocket: {port: htpp}}\n",
		`spec.readinessProbe.tcpSocket.port: "htpp": no port has this name, did you mean "http"?`),
	Entry("a probe's port in quotes", "  readinessProbe: {tcpSocket: {port: \"80\"}}\n", "write a number without quotes"),
	Entry("a probe's path", "  readinessProbe: {httpGet: {port: 80, path: health}}\n", `spec.readinessProbe.httpGet.path: "health": must begin with /`),
	Entry("a probe's scheme", "  readinessProbe: {httpGet: {port: 80, scheme: https}}\n", `"https": must be HTTP or HTTPS, did you mean "HTTPS"?`),
	Entry("an unknown signal", "  stopSignal: SIGTREM\n", `spec.stopSignal: "SIGTREM": no such signal; write a name such as SIGTERM, did you mean "SIGTERM"?`),
	Entry("a signal in small letters", "  stopSignal: term\n", `did you mean "TERM"?`),
	Entry("a signal that ends nothing", "  stopSignal: SIGSTOP\n", `does not end a program`),
	Entry("a deadline of nothing", "  progressDeadlineSeconds: 0\n", "spec.progressDeadlineSeconds: 0: must be from 1 to 86400"),
	Entry("a grace period below zero", "  terminationGracePeriodSeconds: -1\n", "must be from 0 to"),
	Entry("a reload of no kind", "  reload: {}\n", "spec.reload: is missing: exactly one of signal and exec"),
	Entry("a reload of both kinds", "  reload: {signal: HUP, exec: {command: [a]}}\n", "exactly one of signal and exec"),
	Entry("Reload without reload", "  configFiles: [{path: a, onChange: Reload}]\n", `spec.configFiles[0].onChange: "Reload": needs spec.reload`),
	Entry("a config file twice", "  configFiles: [{path: a}, {path: ./a}]\n", "is there twice"),
	Entry("a state directory elsewhere", "  stateDirectory: ../a\n", "spec.stateDirectory: \"../a\": must be a relative path below the data directory"),
	Entry("a state directory that is absolute", "  stateDirectory: /a\n", "must be a relative path"),
	Entry("a backoff that shrinks", "  restartBackoff: {initial: 2m, max: 1m}\n", `spec.restartBackoff.max: "1m0s": must not be less than initial`),
	Entry("a backoff of nothing", "  restartBackoff: {initial: 0s}\n", `spec.restartBackoff.initial: "0s": must be more than 0s`),
	Entry("a log of nothing", "  log: {maxBytes: 1Ki}\n", `spec.log.maxBytes: "1Ki": must be at least 64Ki`),
	Entry("a limit of memory in thousandths", "  resources: {limits: {memory: 512m}}\n",
		`a.yaml:7:32  spec.resources.limits.memory: "512m": is no whole number: m is a thousandth, did you mean 512Mi?`),
	Entry("a limit of memory too low for anything", "  resources: {limits: {memory: 512}}\n", `spec.resources.limits.memory: "512": must be at least 1Mi`),
	Entry("a limit of a negative size", "  resources: {limits: {memory: -1Gi}}\n", `must be at least 1Mi`),
	Entry("a limit of memory that is no quantity", "  resources: {limits: {memory: 512MB}}\n", `"512MB" is not a quantity`),
	Entry("a limit of no processor", "  resources: {limits: {cpu: 0}}\n", `spec.resources.limits.cpu: "0": must be at least 10m`),
	Entry("a limit of threads too low for many a program", "  resources: {limits: {pids: 4}}\n", `spec.resources.limits.pids: "4": must be at least 16: threads count`),
	Entry("half a process", "  resources: {limits: {pids: 20500m}}\n", `is no whole number`),
	Entry("a request of more than the limit", "  resources: {limits: {memory: 1Gi, cpu: 1}, requests: {memory: 2Gi, cpu: 1}}\n",
		`spec.resources.requests.memory: "2Gi": is more than the limit, which is 1Gi`),
	Entry("a request of no processor", "  resources: {requests: {cpu: 1m}}\n", `spec.resources.requests.cpu: "1m": must be at least 10m`),
	Entry("a request of threads", "  resources: {requests: {pids: 10}}\n", `spec.resources.requests.pids: unknown field`),
	Entry("a limit of what cannot be limited", "  resources: {limits: {gpu: 1}}\n", `spec.resources.limits.gpu: unknown field, did you mean "cpu"?`),
	Entry("a sandbox without level", "  sandbox: {readOnlyPaths: [/a]}\n", "spec.sandbox.level: is missing"),
	Entry("a sandbox of an unknown level", "  sandbox: {level: strict}\n", `spec.sandbox.level: "strict": must be None, Restricted, Strict or Isolated, did you mean "Strict"?`),
	Entry("ports of a process that nothing reaches", "  ports: [{name: http}]\n  sandbox: {level: Isolated}\n", "spec.ports: nothing reaches a process at level Isolated"),
	Entry("a probe of a process that nothing reaches", "  livenessProbe: {tcpSocket: {port: 80}}\n  sandbox: {level: Isolated}\n", "spec.livenessProbe: nothing reaches a process"),
	Entry("connections of a process that reaches gates alone", "  sandbox: {level: Isolated, connectTCP: [80]}\n", "spec.sandbox.connectTCP: level Isolated reaches gates alone"),
	Entry("an isolated process without filter", "  sandbox: {level: Isolated, seccomp: Unconfined}\n", "level Isolated needs the filter"),
	Entry("a sandbox that blocks nothing and says what", "  sandbox: {level: None, readOnlyPaths: [/a]}\n", "spec.sandbox.readOnlyPaths: level None blocks nothing"),
	Entry("a sandbox with every file", "  sandbox: {level: Strict, readWritePaths: [//]}\n", `spec.sandbox.readWritePaths[0]: "//": every file could be written`),
	Entry("a sandbox with a path twice", "  sandbox: {level: Strict, readOnlyPaths: [a, ./a]}\n", "is there twice"),
	Entry("a sandbox with a path of two lines", "  sandbox: {level: Strict, readOnlyPaths: [\"a\\nb\"]}\n", "must be one line"),
	Entry("a sandbox with an empty path", "  sandbox: {level: Strict, readOnlyPaths: [\"\"]}\n", "spec.sandbox.readOnlyPaths[0]: is missing"),
	Entry("ports of a level that blocks none", "  sandbox: {level: Restricted, connectTCP: [80]}\n", "spec.sandbox.connectTCP: level Restricted blocks no connections"),
	Entry("a sandbox's port out of range", "  sandbox: {level: Strict, connectTCP: [0]}\n", "spec.sandbox.connectTCP[0]: 0: must be from 1 to 65535"),
	Entry("a filter of a level that has none", "  sandbox: {level: Restricted, seccomp: Unconfined}\n", "spec.sandbox.seccomp: level Restricted filters no system calls"),
	Entry("a filter that is none", "  sandbox: {level: Strict, seccomp: Off}\n", "read as false by YAML"),
	Entry("a capability that is none", "  sandbox: {level: Strict, capabilities: {drop: [NET_RAWW]}}\n", `no such capability, did you mean "NET_RAW"?`),
	Entry("capabilities to drop, none of them", "  sandbox: {level: Strict, capabilities: {drop: []}}\n", "spec.sandbox.capabilities.drop: is missing"),
	Entry("capabilities to add", "  sandbox: {level: Strict, capabilities: {add: [NET_RAW]}}\n", "spec.sandbox.capabilities.add: unknown field: nothing is added"),
	Entry("a policy that is none", "  restartPolicy: always\n", `a.yaml:7:18  spec.restartPolicy: "always": must be Always, OnFailure or Never, did you mean "Always"?`),
	Entry("a later strategy", "  strategy: {type: Canary}\n", "spec.strategy.type: Canary is not in this version yet"),
	Entry("numbers for a rolling update", "  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}\n", "spec.strategy.rollingUpdate: is not in this version yet"),
	Entry("a rolling update of a fixed port", "  ports: [{name: http, port: 80}]\n  strategy: {type: RollingUpdate}\n",
		`a.yaml:8:20  spec.strategy.type: "RollingUpdate": starts a new copy beside the old one, and port 80 is for one alone`),
	Entry("a service port out of range", "  ports: [{name: http, servicePort: -1}]\n", "spec.ports[0].servicePort: -1: must be from 1 to 65535"),
	Entry("a service port that is a port", "  ports: [{name: http, port: 80, servicePort: 80}]\n", `spec.ports[0].servicePort: "80" is there twice`),
	Entry("a service port twice", "  ports: [{name: a, servicePort: 80}, {name: b, servicePort: 80}]\n", `spec.ports[1].servicePort: "80" is there twice`),
	Entry("a protocol that is none", "  ports: [{name: http, servicePort: 80, appProtocol: http}]\n", `must be HTTP, H2C or TCP, did you mean "HTTP"?`),
	Entry("a protocol of nothing", "  ports: [{name: http, appProtocol: HTTP}]\n", "spec.ports[0].appProtocol: says what clients of a servicePort speak, and there is none"),
	Entry("a principal that is the operator's", "  principal: system/check\n", `spec.principal: "system/check": must be the name of a Principal; without one it is process/web`),
	Entry("a principal that is no name", "  principal: A\n", `spec.principal: "A": a lowercase`),
	Entry("a value from a file and a token", "  env: [{name: A, valueFrom: {file: {path: a}, token: {}}}]\n", "spec.env[0].valueFrom.token: there is a file already"),
	Entry("a token that hardly lives", "  env: [{name: A, valueFrom: {token: {ttl: 5s}}}]\n", `spec.env[0].valueFrom.token.ttl: "5s": must be at least 1m0s`),
	Entry("a token in an argument", "  args: [$(A)]\n  env: [{name: A, valueFrom: {token: {}}}]\n", "spec.args[0]: $(A) comes by reference, so it is a secret"),
	Entry("a proxy's token in an argument", "  proxy: {gate: out}\n  args: [$(HTTP_PROXY)]\n", "spec.args[0]: $(HTTP_PROXY) comes by reference, so it is a secret"),
	Entry("a proxy of no gate", "  proxy: {}\n", "spec.proxy.gate: is missing: the name of a Gate"),
	Entry("a proxy twice", "  proxy: {gate: out}\n  env: [{name: HTTPS_PROXY, value: a}]\n", `spec.env[0].name: "HTTPS_PROXY": spec.proxy sets it`),
	Entry("a variable of a proxy that is not there", "  args: [$(HTTPS_PROXY)]\n", "there is no such variable"),
	Entry("a variable of what cannot be a gate", "  args: [$(MIRROROS_GATE_front)]\n", "there is no such variable"),
	Entry("a dependency on nothing", "  dependsOn: [{condition: Ready}]\n", "spec.dependsOn[0].process: is missing: the name of the Process to wait for, or route: NAME"),
	Entry("a dependency on two", "  dependsOn: [{process: a, route: b}]\n", "spec.dependsOn[0].route: there is a process already: write one of both"),
	Entry("a route that is to start", "  dependsOn: [{route: a, condition: Started}]\n", `spec.dependsOn[0].condition: "Started": must be Ready`),
	Entry("a route twice", "  dependsOn: [{route: a}, {route: a}]\n", `spec.dependsOn[1].route: "a" is there twice`),
	Entry("a dependency on itself", "  dependsOn: [{process: web}]\n", "a process cannot wait for itself"),
	Entry("a dependency twice", "  dependsOn: [{process: a}, {process: a}]\n", `spec.dependsOn[1].process: "a" is there twice`),
	Entry("a condition that is none", "  dependsOn: [{process: a, condition: Running}]\n", "spec.dependsOn[0].condition: \"Running\": must be Started, Ready or Completed"),
	Entry("an unknown variable in an argument", "  args: [$(HOMEE)]\n", `spec.args[0]: "$(HOMEE)": there is no such variable, did you mean $(HOME)?`),
	Entry("the shell's substitution", "  args: [\"echo $(date)\"]\n", "write $$(date) for the text itself"),
	Entry("a port that is not declared", "  args: [$(PORT)]\n", "no port of this name is in spec.ports"),
	Entry("a state directory that is not declared", "  args: [$(STATE_DIRECTORY)]\n", "it needs spec.stateDirectory"),
	Entry("a secret in an argument", "  args: [$(A)]\n  env: [{name: A, valueFrom: {file: {path: a}}}]\n", "spec.args[0]: $(A) comes by reference, so it is a secret"),
	Entry("a secret in an argument by way of another variable", "  args: [$(B)]\n  env: [{name: A, valueFrom: {file: {path: a}}}, {name: B, value: x$(A)}]\n", "$(B) comes by reference, so it is a secret"),
	Entry("what envFrom may read in an argument", "  args: [$(A)]\n  envFrom: [{file: {path: a}}]\n", "what envFrom reads is a secret that does not go into arguments"),
	Entry("a variable that stands further down", "  env: [{name: A, value: $(B)}, {name: B, value: b}]\n", "it stands further down"),
	Entry("a variable in workingDir", "  workingDir: $(HOME)/a\n", "$(HOME) does not expand here; $(VERSION) does"),
)

var _ = DescribeTable("Validate of a Process takes", func(lines string) {
	Expect(faultsOf(body + lines)).To(BeEmpty())
},
	Entry("a copy for each free port", "  replicas: 3\n  ports: [{name: http}]\n  args: [$(PORT), $(PORT_HTTP), $(ORDINAL), $(VERSION)]\n"),
	Entry("escaped variables", "  args: [\"$$(date)\", \"$(date +%s)\", \"$5\", \"$\"]\n"),
	Entry("a secret in the environment", "  env: [{name: A, valueFrom: {file: {path: a}}}, {name: B, value: $(A)}]\n"),
	Entry("what envFrom may read in a variable", "  envFrom: [{file: {path: a}}]\n  env: [{name: B, value: $(A)}]\n"),
	Entry("a signal without SIG", "  stopSignal: QUIT\n"),
	Entry("the version in workingDir", "  version: a\n  workingDir: /opt/$(VERSION)\n"),
	Entry("lists and mappings that are empty", "  env:\n  ports: []\n  log: {}\n"),
	Entry("no copy", "  replicas: 0\n"),
	Entry("a deadline of a day", "  progressDeadlineSeconds: 86400\n"),
	Entry("a rolling update, with a port that clients know", "  ports: [{name: http, servicePort: 3000}]\n  strategy: {type: RollingUpdate}\n"),
	Entry("the addresses of gates, and the file of its token", "  args: [$(MIRROROS_GATE_FRONT), $(MIRROROS_GATE_MY_GATE), $(MIRROROS_TOKEN_FILE)]\n"),
	Entry("a token in the environment", "  principal: scout\n  env: [{name: A, valueFrom: {token: {ttl: 24h}}}, {name: B, value: $(A)}]\n"),
	Entry("a route and a process of one name", "  dependsOn: [{route: web}, {process: other}, {route: other}]\n"),
	Entry("a proxy", "  proxy: {gate: out}\n  env: [{name: A, value: $(HTTP_PROXY)}]\n"),
)

var _ = DescribeTable("Validate of metadata", func(meta, want string) {
	got := strings.Join(faultsOf("apiVersion: mirroros.dev/v1alpha1\nkind: Stack\nmetadata: "+meta+"\n"), "\n")
	if want == "" {
		Expect(got).To(BeEmpty())
	} else {
		Expect(got).To(ContainSubstring(want))
	}
},
	Entry("takes a name", "{name: a-1}", ""),
	Entry("refuses none", "{}", "a.yaml:3:11  metadata.name: is missing"),
	Entry("refuses a name with dots", "{name: a.b}", `a.yaml:3:18  metadata.name: "a.b": must not contain dots`),
	Entry("refuses a long name", "{name: "+strings.Repeat("a", 64)+"}", "must be no more than 63"),
	Entry("refuses a name that ends as an instance does", "{name: web-0123456789-0}", "ends as the names of instances do"),
	Entry("refuses a label", "{name: a, labels: {a: b c}}", "metadata.labels: \"b c\""),
	Entry("points at the label", "{name: a, labels: {x: z, a: b c}}", "a.yaml:3:39  metadata.labels: \"b c\""),
	Entry("refuses a label of the operator's", "{name: a, labels: {mirroros.dev/stack: b}}", "metadata.labels[mirroros.dev/stack]: is written by the operator"),
	Entry("refuses the label of the operator's own", "{name: a, labels: {mirroros.dev/system: \"true\"}}", "metadata.labels[mirroros.dev/system]: is written by the operator"),
	Entry("takes its annotations", `{name: a, annotations: {mirroros.dev/wave: "-1", mirroros.dev/prune: disabled, mirroros.dev/restarted-at: "2026-11-23T10:00:00Z"}}`, ""),
	Entry("refuses a wave that is no number", `{name: a, annotations: {mirroros.dev/wave: first}}`, `metadata.annotations[mirroros.dev/wave]: "first": must be a whole number`),
	Entry("refuses a time that is none", `{name: a, annotations: {mirroros.dev/resume-at: tomorrow}}`, "must be a time"),
	Entry("refuses a misspelt annotation", `{name: a, annotations: {mirroros.dev/prunne: disabled}}`, "nobody reads this annotation, did you mean \"mirroros.dev/prune\"?"),
	Entry("refuses a rename from itself", `{name: a, annotations: {mirroros.dev/renamed-from: a}}`, "must be the name that it had before"),
)

var _ = DescribeTable("Validate of a Stack", func(spec, want string) {
	got := strings.Join(faultsOf("apiVersion: mirroros.dev/v1alpha1\nkind: Stack\nmetadata: {name: a}\nspec: "+spec+"\n"), "\n")
	if want == "" {
		Expect(got).To(BeEmpty())
	} else {
		Expect(got).To(ContainSubstring(want))
	}
},
	Entry("takes nothing", "{}", ""),
	Entry("takes a directory", "{source: {path: ./a/b, exclude: [\"*.yml\"]}}", ""),
	Entry("refuses a directory elsewhere", "{source: {path: ../a}}", "spec.source.path: \"../a\": must be a relative path"),
	Entry("refuses an absolute directory", "{source: {path: /a}}", "must be a relative path"),
	Entry("refuses a pattern that is none", "{source: {exclude: [\"[\"]}}", "spec.source.exclude[0]: \"[\": is no pattern"),
	Entry("refuses a sync that is none", "{sync: auto}", `must be Auto or Manual, did you mean "Auto"?`),
	Entry("refuses a percentage out of range", "{prune: {maxDeletePercent: 0}}", "must be from 1 to 100"),
	Entry("takes what is kept and put back", "{revisionHistoryLimit: 100, autoRollback: false}", ""),
	Entry("refuses no history", "{revisionHistoryLimit: 0}", "spec.revisionHistoryLimit: 0: must be from 1 to 100"),
	Entry("refuses a history without end", "{revisionHistoryLimit: 101}", "must be from 1 to 100"),
	Entry("takes a locality", "{locality: Sealed}", ""),
	Entry("refuses a locality that is none", "{locality: sealed}", `must be Sealed, LocalFirst or Open, did you mean "Sealed"?`),
	Entry("refuses a policy that is none", "{deletionPolicy: Keep}", "must be Delete or Orphan"),
)
