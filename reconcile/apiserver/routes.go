package apiserver

import "net/http"

// access is who may use a route.
type access int

const (
	// anyone that can connect.
	anyone access = iota
	// admins: root, the operator's user, the holder of the token; never a workload.
	admins
)

// route is one thing that can be asked for.
type route struct {
	method string
	// path with {parameters}. {objects} stands for the path of every resource, {all} for that of every resource in all its namespaces.
	path   string
	access access
	serve  func(s *Server, w http.ResponseWriter, r *request) error
	flags  flag
}

// flag is what is special about a route.
type flag int

const (
	// writes objects: refused for kinds that only the operator writes.
	writes flag = 1 << iota
	// scales: only for resources that have replicas.
	scales
	// status: only for resources that have one.
	status
	// streams: may take as long as the client likes.
	streams
	// large bodies: all files of a stack.
	large
)

// routes is the whole API.
var routes = []route{
	{"GET", "/healthz", anyone, (*Server).health, 0},
	{"GET", "/livez", anyone, (*Server).health, 0},
	{"GET", "/readyz", anyone, (*Server).health, 0},

	{"GET", "/version", admins, (*Server).version, 0},
	{"GET", "/api", admins, (*Server).coreVersions, 0},
	{"GET", "/apis", admins, (*Server).groups, 0},
	{"GET", "/api/{version}", admins, (*Server).groupResources, 0},
	{"GET", "/apis/{group}", admins, (*Server).group, 0},
	{"GET", "/apis/{group}/{version}", admins, (*Server).groupResources, 0},
	{"GET", "/openapi/v2", admins, (*Server).openAPIv2, 0},
	{"GET", "/openapi/v3", admins, (*Server).openAPIv3, 0},
	{"GET", "/openapi/v3/api/{version}", admins, (*Server).openAPIv3Group, 0},
	{"GET", "/openapi/v3/apis/{group}/{version}", admins, (*Server).openAPIv3Group, 0},

	{"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", admins, (*Server).reviewAccess, 0},
	{"POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", admins, (*Server).reviewRules, 0},
	{"POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", admins, (*Server).reviewSelf, 0},

	{"GET", "{all}", admins, (*Server).list, 0},
	{"GET", "{objects}", admins, (*Server).list, 0},
	{"POST", "{objects}", admins, (*Server).create, writes},
	{"DELETE", "{objects}", admins, (*Server).deleteCollection, writes},
	{"GET", "{objects}/{name}", admins, (*Server).get, 0},
	{"PUT", "{objects}/{name}", admins, (*Server).update, writes},
	{"PATCH", "{objects}/{name}", admins, (*Server).patch, writes},
	{"DELETE", "{objects}/{name}", admins, (*Server).delete, writes},
	{"GET", "{objects}/{name}/status", admins, (*Server).get, status},
	{"PUT", "{objects}/{name}/status", admins, (*Server).refuseStatus, status},
	{"PATCH", "{objects}/{name}/status", admins, (*Server).refuseStatus, status},
	{"GET", "{objects}/{name}/scale", admins, (*Server).getScale, scales},
	{"PUT", "{objects}/{name}/scale", admins, (*Server).updateScale, scales | writes},
	{"PATCH", "{objects}/{name}/scale", admins, (*Server).patchScale, scales | writes},

	{"GET", "{objects}/{name}/source", admins, (*Server).source, 0},
	{"GET", "/apis/mirroros.dev/v1alpha1/instances/{name}/log", admins, (*Server).log, streams},
	{"POST", "/apis/mirroros.dev/v1alpha1/processes/{name}/reload", admins, (*Server).reload, 0},
	{"POST", "/apis/mirroros.dev/v1alpha1/stacks/{name}/plan", admins, (*Server).plan, large},
	{"POST", "/apis/mirroros.dev/v1alpha1/stacks/{name}/apply", admins, (*Server).apply, 0},
	{"GET", "/apis/mirroros.dev/v1alpha1/stacks/{name}/revisions", admins, (*Server).revisions, 0},
	{"GET", "/apis/mirroros.dev/v1alpha1/stacks/{name}/revisions/{revision}", admins, (*Server).revision, 0},
	{"GET", "/apis/mirroros.dev/v1alpha1/stacks/{name}/revisions/{revision}/diff/{to}", admins, (*Server).revisionDiff, 0},
	{"POST", "/apis/mirroros.dev/v1alpha1/stacks/{name}/undo", admins, (*Server).undo, 0},
	{"POST", "/apis/mirroros.dev/v1alpha1/stacks/{name}/retry", admins, (*Server).retry, 0},
	{"POST", "/apis/mirroros.dev/v1alpha1/stacks/{name}/rollout/{action}", admins, (*Server).steer, 0},
	{"POST", "/apis/mirroros.dev/v1alpha1/principals/{name}/token", admins, (*Server).createToken, 0},
	{"GET", "/apis/mirroros.dev/v1alpha1/principals/{name}/tokens", admins, (*Server).tokens, 0},
	{"DELETE", "/apis/mirroros.dev/v1alpha1/principals/{name}/tokens", admins, (*Server).revokeTokens, 0},
	{"POST", "/apis/mirroros.dev/v1alpha1/checks/{name}/run", admins, (*Server).runCheck, streams},
	{"GET", "/apis/mirroros.dev/v1alpha1/tokenbudgets/{name}/report", admins, (*Server).budgetReport, 0},
	{"GET", "/apis/mirroros.dev/v1alpha1/tokenbudgets/{name}/history", admins, (*Server).budgetHistory, 0},
	{"POST", "/apis/mirroros.dev/v1alpha1/tokenbudgets/{name}/reset", admins, (*Server).resetBudget, 0},
	{"GET", "/mirroros/budgets/verify", admins, (*Server).verifyBudgets, 0},
	{"GET", "/mirroros/tokens", admins, (*Server).tokens, 0},
	{"GET", "/mirroros/why/{what}/{name}", admins, (*Server).why, 0},
	{"POST", "/mirroros/can-i", admins, (*Server).canI, 0},
	{"GET", "/mirroros/host", admins, (*Server).host, 0},
	{"POST", "/mirroros/shutdown", admins, (*Server).shutdown, 0},
}
