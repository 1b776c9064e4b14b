// Package reconcile is the engine that turns declared objects into host state: requests, controllers, the manager that runs
// them, the client that writes objects by Kubernetes' rules, conditions and events. It knows no kind's policy.
package reconcile
