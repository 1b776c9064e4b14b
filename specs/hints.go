package specs

import (
	"regexp"

	"go.yaml.in/yaml/v3"
)

// laterKinds are kinds of the design that later versions bring, and what to say of one.
var laterKinds = map[string]string{
	"Job": notYet, "CronJob": notYet,
}

const notYet = "is not in this version yet"

// fieldHints say what to do about a field that is not there. The key is kind and path, lists as [].
// Fields of later versions and those of pasted Kubernetes and docker-compose files stand in this one table.
var fieldHints = map[string]string{
	"Process spec.sandbox.paths":                        "write readOnlyPaths and readWritePaths",
	"Process spec.sandbox.readPaths":                    "write readOnlyPaths",
	"Process spec.sandbox.writePaths":                   "write readWritePaths",
	"Process spec.sandbox.network":                      "write level: Strict and connectTCP: [PORT]",
	"Process spec.sandbox.capabilities.add":             "nothing is added to what the user has; to keep some, write drop with the others",
	"Process spec.resources.limits.memoryMax":           "write memory",
	"Process spec.resources.limits.cpus":                "write cpu, in processors",
	"Process spec.resources.limits.processes":           "write pids",
	"Process spec.resources.limits.ephemeral-storage":   "cannot be limited here; remove it",
	"Process spec.resources.limits.storage":             "cannot be limited here; remove it",
	"Process spec.mem_limit":                            "write resources: {limits: {memory: SIZE}}",
	"Process spec.cpus":                                 "write resources: {limits: {cpu: NUMBER}}",
	"Process spec.limits":                               "write resources: {limits: {memory: SIZE, cpu: NUMBER, pids: NUMBER}}",
	"Process spec.revisionHistoryLimit":                 notYet,
	"Process spec.strategy.canary":                      notYet,
	"Process spec.strategy.rollingUpdate":               notYet,
	"Process spec.strategy.blueGreen":                   notYet,
	"Process spec.dependsOn[].job":                      notYet,
	"Stack spec.resources":                              notYet,
	"Stack spec.notify":                                 notYet,
	"Stack spec.windows":                                notYet,
	"Process spec.template":                             onePod,
	"Process spec.template.spec.containers":             onePod,
	"Process spec.containers":                           onePod,
	"Process spec.initContainers":                       "a Process is one program: write a Process with restartPolicy OnFailure, and dependsOn with condition Completed",
	"Process spec.selector":                             "instances are found by their Process; remove it",
	"Process spec.image":                                "there are no images here: put the program's path into command",
	"Process spec.backendRefs":                          "ports are named under spec.ports; what sends requests to a Process is a Route with backends: [{process: NAME}]",
	"Process spec.volumes":                              "a Process sees the host's files; a directory of its own is stateDirectory",
	"Process spec.volumeMounts":                         "a Process sees the host's files; a directory of its own is stateDirectory",
	"Process spec.securityContext":                      "write user, group and sandbox",
	"Process spec.serviceAccountName":                   "write principal",
	"Process spec.lifecycle":                            "write preStop directly under spec",
	"Process spec.environment":                          "write env, a list of name and value",
	"Process spec.depends_on":                           "write dependsOn, a list of {process: NAME}",
	"Process spec.restart":                              "write restartPolicy: Always, OnFailure or Never",
	"Process spec.healthcheck":                          "write readinessProbe or livenessProbe",
	"Process spec.ports[].containerPort":                "write port to fix the number, or leave it out to get a free one as $PORT_<NAME>",
	"Process spec.ports[].hostPort":                     "write port",
	"Process spec.ports[].targetPort":                   "write port",
	"Process spec.ports[].protocol":                     "remove it: a port is a number that is given to the program",
	"Process spec.env[].valueFrom.secretKeyRef":         "write file: {path: PATH}",
	"Process spec.env[].valueFrom.configMapKeyRef":      "write file: {path: PATH}",
	"Process spec.envFrom[].secretRef":                  "write file: {path: PATH}",
	"Process spec.envFrom[].configMapRef":               "write file: {path: PATH}",
	"Gate spec.listeners":                               "a Gate is one listener: write listen: {address: 127.0.0.1:PORT}",
	"Gate spec.gatewayClassName":                        "there is one gate program; remove it",
	"Gate spec.addresses":                               "write listen: {address: 127.0.0.1:PORT}",
	"Gate spec.address":                                 "write listen: {address: 127.0.0.1:PORT}",
	"Gate spec.port":                                    "write listen: {address: 127.0.0.1:PORT}",
	"Gate spec.listen.port":                             "write address: 127.0.0.1:PORT",
	"Gate spec.listen.host":                             "write address: 127.0.0.1:PORT",
	"Gate spec.listen.socket":                           "write unix: NAME",
	"Gate spec.listen.tls":                              notYet,
	"Gate spec.tls":                                     notYet,
	"Gate spec.routes":                                  "write a Route with gate: NAME",
	"Gate spec.rules":                                   "write a GateRule for each",
	"Route spec.parentRefs":                             "write gate: NAME",
	"Route spec.hostnames":                              "requests are matched by match.models or match.path, whatever host they name",
	"Route spec.rules":                                  oneRule,
	"Route spec.rules[].backendRefs":                    oneRule,
	"Route spec.backendRefs":                            "write backends: [{process: NAME}], or url in place of process",
	"Route spec.backend":                                "write backends, a list",
	"Route spec.upstream":                               "write backends: [{url: URL}]",
	"Route spec.model":                                  "write match: {models: [NAME]}",
	"Route spec.models":                                 "write match: {models: [NAME]}",
	"Route spec.path":                                   "write match: {path: PATH}",
	"Route spec.matches":                                "write match, one mapping",
	"Route spec.match.headers":                          "a GateRule looks at headers, in when",
	"Route spec.match.method":                           "a GateRule looks at methods, in when",
	"Route spec.match.pathPrefix":                       "write path",
	"Route spec.backends[].name":                        "write process: NAME, or url: URL",
	"Route spec.backends[].kind":                        "write process: NAME, or url: URL",
	"Route spec.backends[].service":                     "write process: NAME",
	"Route spec.backends[].host":                        "write url: http://HOST:PORT",
	"Route spec.backends[].apiKey":                      "a key stays out of manifests: write auth: {valueFrom: {file: {path: PATH}}}",
	"Route spec.backends[].auth.value":                  "a key stays out of manifests: write valueFrom: {file: {path: PATH}}",
	"Route spec.backends[].auth.token":                  "a key stays out of manifests: write valueFrom: {file: {path: PATH}}",
	"Route spec.backends[].auth.valueFrom.secretKeyRef": "write file: {path: PATH}",
	"Route spec.backends[].auth.valueFrom.env":          "write file: {path: PATH}",
	"Route spec.strategy":                               notYet,
	"Route spec.filters":                                "write a GateRule with filters",
	"Route spec.retry":                                  "write fallbacks; what was begun is not tried again",
	"Route spec.timeouts.backendRequest":                "write firstByte and idle",
	"GateRule spec.selector":                            "write gates and routes",
	"GateRule spec.targetRefs":                          "write gates and routes",
	"GateRule spec.rules":                               "a GateRule is one rule: write a document for each",
	"GateRule spec.from":                                "write principals",
	"GateRule spec.to":                                  "write routes, mcp and when",
	"GateRule spec.subjects":                            "write principals",
	"GateRule spec.principal":                           "write principals: {names: [NAME]}",
	"GateRule spec.gate":                                "write gates, a list",
	"GateRule spec.route":                               "write routes, a list",
	"GateRule spec.effect":                              "write action",
	"GateRule spec.allow":                               "write action: Allow",
	"GateRule spec.deny":                                "write action: Deny",
	"GateRule spec.condition":                           "write when",
	"GateRule spec.if":                                  "write when",
	"GateRule spec.tools":                               "write mcp: {tools: [NAME]}",
	"GateRule spec.filter":                              "write filters, a list",
	"Route spec.price":                                  "write pricing: {currency: EUR, inputPerMillion: \"0.10\", outputPerMillion: \"0.40\"}, or {free: true}",
	"Route spec.cost":                                   "write pricing: {currency: EUR, inputPerMillion: \"0.10\", outputPerMillion: \"0.40\"}, or {free: true}",
	"Route spec.pricing.input":                          "write inputPerMillion",
	"Route spec.pricing.output":                         "write outputPerMillion",
	"Route spec.budget":                                 "write a TokenBudget with scope: {routes: [NAME]}",
	"Principal spec.budget":                             "write a TokenBudget with principals: {names: [NAME]}",
	"Process spec.budget":                               "write a TokenBudget with principals: {names: [NAME]}",
	"TokenBudget spec.hard":                             "write limits, a list of {name, tokens, window}",
	"TokenBudget spec.tokens":                           "write limits: [{name: NAME, tokens: 100k, window: {sliding: 1h}}]",
	"TokenBudget spec.cost":                             "write limits: [{name: NAME, cost: \"20.00\", currency: EUR, window: {calendar: Month}}]",
	"TokenBudget spec.requests":                         "write limits: [{name: NAME, requests: 600, window: {sliding: 1m}}]",
	"TokenBudget spec.limit":                            "write limits, a list",
	"TokenBudget spec.window":                           "each limit has its window: write it into limits",
	"TokenBudget spec.currency":                         "each limit of cost has its currency: write it into limits",
	"TokenBudget spec.principal":                        "write principals: {names: [NAME]}",
	"TokenBudget spec.subjects":                         "write principals",
	"TokenBudget spec.selector":                         "write principals, and scope",
	"TokenBudget spec.routes":                           "write scope: {routes: [NAME]}",
	"TokenBudget spec.gates":                            "write scope: {gates: [NAME]}",
	"TokenBudget spec.models":                           "write scope: {models: [NAME]}",
	"TokenBudget spec.children":                         "each budget names its parent",
	"TokenBudget spec.action":                           "write onExceeded: {action: ACTION}",
	"TokenBudget spec.limits[].amount":                  "write what is counted: tokens, inputTokens, outputTokens, cost, requests or concurrency",
	"TokenBudget spec.limits[].period":                  "write window: {sliding: DURATION}, or {calendar: Day}",
	"TokenBudget spec.limits[].per":                     "write window: {sliding: DURATION}, or {calendar: Day}",
	"TokenBudget spec.limits[].duration":                "write window: {sliding: DURATION}",
	"TokenBudget spec.limits[].reset":                   "write window: {sliding: DURATION}, or {calendar: Day}; `mirrorctl budget reset` forgets what was used",
	"TokenBudget spec.limits[].action":                  "write onExceeded: {action: ACTION}",
	"TokenBudget spec.limits[].calls":                   "write requests, or concurrency for how many at once",
	"TokenBudget spec.limits[].parallel":                "write concurrency",
	"Principal spec.role":                               "an identity has labels, which rules name; write metadata.labels",
	"Principal spec.token":                              "tokens stay out of manifests: make one with mirrorctl",
	"Principal spec.secret":                             "tokens stay out of manifests: make one with mirrorctl",
	"Principal spec.ttl":                                "write tokens: {maxTTL: DURATION}",
	"Principal spec.maxTTL":                             "write tokens: {maxTTL: DURATION}",
}

const (
	onePod     = "a Process is one program: put command, env and ports under spec"
	oneRule    = "a Route is one rule: write match and backends under spec"
	byOperator = "is written by the operator; remove it from the manifest"
)

// operatorFields of metadata exist in every kind and are not the manifest's to set.
var operatorFields = map[string]string{
	"namespace":                  "there are no namespaces here; remove it",
	"generateName":               "a manifest names its object; write metadata.name",
	"selfLink":                   byOperator,
	"uid":                        byOperator,
	"resourceVersion":            byOperator,
	"generation":                 byOperator,
	"creationTimestamp":          byOperator,
	"deletionTimestamp":          byOperator,
	"deletionGracePeriodSeconds": byOperator,
	"managedFields":              byOperator,
	"ownerReferences":            byOperator,
	"finalizers":                 "is not for manifests; remove it",
}

// operatorField is the word for a key of the value at hand that a manifest must not set; empty for all others.
func (w *walker) operatorField(key string) string {
	switch {
	case len(w.path) == 0 && key == "status":
		return byOperator
	case len(w.path) == 1 && w.path[0].key == "metadata":
		return operatorFields[key]
	}
	return ""
}

var listIndex = regexp.MustCompile(`\[\d+\]`)

// unknown notes a key that the type at hand does not have, with the best advice there is.
func (w *walker) unknown(k, v *yaml.Node, fields *typeFields) {
	at, path := w.below(k.Value), pathString(w.path)
	hint, deep := w.hint(at, v)
	near := suggestion(k.Value, fields.names())
	switch {
	case hint == notYet:
		w.faultAt(k, deep, "%s", hint)
		if path != "spec" {
			w.bad = append(w.bad, path) // it may stand for a field that is missed now
		}
	case hint != "":
		w.faultAt(k, deep, "unknown field: %s", hint)
		w.bad = append(w.bad, path) // a pasted shape misses what it should have all over
	case near != "":
		w.faultAt(k, at, "unknown field, did you mean %s?", quote(near))
		w.bad = append(w.bad, w.below(near))
	default:
		w.faultAt(k, at, "unknown field%s", w.elsewhere(k.Value, at))
	}
}

// hint looks a field up in the table, and the fields below it, which say more of what was pasted.
func (w *walker) hint(path string, v *yaml.Node) (hint, at string) {
	if path == "spec.template" {
		if _, spec := lookup(orEmpty(v), "spec", nil); spec != nil {
			if _, c := lookup(orEmpty(spec), "containers", nil); c != nil {
				path = "spec.template.spec.containers"
			}
		}
	}
	general := listIndex.ReplaceAllString(path, "[]")
	return fieldHints[w.kind.Kind+" "+general], path
}

// orEmpty is a node as a mapping, an empty one when it is none.
func orEmpty(n *yaml.Node) *yaml.Node {
	if n = deref(n); n == nil || n.Kind != yaml.MappingNode {
		return &yaml.Node{Kind: yaml.MappingNode}
	}
	return n
}

// elsewhere finds a field of the same name at the places where it is most often missed.
func (w *walker) elsewhere(name, at string) string {
	top := fieldsOf(indirect(typeOf(w.kind)))
	if spec := top.byName["spec"]; spec != nil && at != "spec."+name && fieldsOf(indirect(spec.typ)).byName[name] != nil {
		w.bad = append(w.bad, "spec."+name)
		return "; there is spec." + name + ": is it indented wrongly?"
	}
	if top.byName[name] != nil && len(w.path) > 0 {
		return "; " + name + " belongs at the left margin"
	}
	return ""
}
