package specs

import (
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// foreignKinds are kinds of Kubernetes and its neighbours that people paste, and what to write instead.
var foreignKinds = map[string]string{
	"Deployment":    "write a Process: its command, replicas, ports, env and probes stand directly under spec",
	"StatefulSet":   "write a Process with stateDirectory",
	"DaemonSet":     "write a Process: there is one host",
	"ReplicaSet":    "write a Process with replicas",
	"Pod":           "write a Process: its command, env, ports and probes stand directly under spec",
	"Service":       "a Process names its ports under spec.ports",
	"ConfigMap":     "write a file beside the manifest, and name it under spec.configFiles or spec.envFrom",
	"Secret":        "write a file outside of git, and name it under spec.env valueFrom or spec.envFrom",
	"Job":           "write a Process with restartPolicy OnFailure",
	"CronJob":       "CronJob " + notYet,
	"HTTPRoute":     "a Route " + notYet,
	"Ingress":       "a Route " + notYet,
	"Gateway":       "a Gate " + notYet,
	"Namespace":     "there are no namespaces here; remove it",
	"Kustomization": "name the directory in a Stack under spec.source.path",
	"List":          "write its items as documents with --- between them",
}

// foreignKind is the advice for a kind that is not of this API; empty when there is none, or the kind is of this API.
func foreignKind(version, kind string) string {
	group, _, _ := strings.Cut(version, "/")
	if group == GroupName || version == "" {
		return ""
	}
	advice, known := foreignKinds[kind]
	switch {
	case known:
		return version + " " + kind + " is not run here: " + advice
	case KindOf(kind) != nil || laterKinds[kind] != "":
		return ""
	}
	return quote(kind) + " of " + quote(version) + " is not run here: " + knownKinds()
}

// foreignFile recognises files that are no manifests at all; empty when it is none of them.
func foreignFile(n *yaml.Node) string {
	if _, kind := lookup(n, "kind", nil); kind != nil {
		return ""
	}
	has := func(name string) *yaml.Node { _, v := lookup(n, name, nil); return deref(v) }
	const exclude = "exclude it with Stack spec.source.exclude"
	switch services := has("services"); {
	case services != nil && services.Kind == yaml.MappingNode, has("version") != nil && (has("networks") != nil || has("volumes") != nil):
		return "this looks like a docker-compose file; " + exclude + " or write a Process for each service"
	case has("processes") != nil:
		return "this looks like a process-compose file; " + exclude + " or write a Process for each process"
	case has("model_list") != nil:
		return "this looks like a LiteLLM configuration; " + exclude
	case has("apiVersion") == nil && has("metadata") == nil && has("spec") == nil:
		return "this is no manifest: it has neither apiVersion nor kind; " + exclude + " when it is for another program"
	}
	return ""
}

// kindNames are the kinds that a manifest may declare.
func kindNames() []string {
	var names []string
	for _, k := range Kinds {
		if k.Declarable() {
			names = append(names, k.Kind)
		}
	}
	return names
}

// knownKinds says which kinds there are.
func knownKinds() string {
	names := kindNames()
	return "the kinds of " + GroupVersion.String() + " are " + strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

func typeOf(k *Kind) reflect.Type { return reflect.TypeOf(k.New()) }
