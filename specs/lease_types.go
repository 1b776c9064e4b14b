package specs

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Lease says who leads, for programs that elect a leader among themselves. It has the shape of a coordination.k8s.io/v1 Lease and lives in
// the namespace default. The operator keeps it and reads nothing in it.
type Lease struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what the holder says.
	Spec LeaseSpec `json:"spec,omitzero"`
}

// LeaseSpec is what the holder of a Lease says.
type LeaseSpec struct {
	// HolderIdentity is who holds the lease; empty when nobody does.
	HolderIdentity *string `json:"holderIdentity,omitempty"`
	// LeaseDurationSeconds is how long others wait after they saw the lease renewed before they take it, at least 1.
	LeaseDurationSeconds *int32 `json:"leaseDurationSeconds,omitempty"`
	// AcquireTime and RenewTime are when the holder took the lease, and when it last said that it still holds it, by its own clock.
	AcquireTime *metav1.MicroTime `json:"acquireTime,omitempty"`
	RenewTime   *metav1.MicroTime `json:"renewTime,omitempty"`
	// LeaseTransitions counts changes of the holder.
	LeaseTransitions *int32 `json:"leaseTransitions,omitempty"`
	// Strategy of a coordinated election, and the candidate that is to hold the lease by it.
	Strategy        *string `json:"strategy,omitempty"`
	PreferredHolder *string `json:"preferredHolder,omitempty"`
}

// Validate tells what is wrong in the lease by itself.
func (o *Lease) Validate() (faults field.ErrorList) {
	at := field.NewPath("spec")
	if d := o.Spec.LeaseDurationSeconds; d != nil && *d <= 0 {
		faults = append(faults, field.Invalid(at.Child("leaseDurationSeconds"), *d, "must be greater than 0"))
	}
	if n := o.Spec.LeaseTransitions; n != nil && *n < 0 {
		faults = append(faults, field.Invalid(at.Child("leaseTransitions"), *n, "must be at least 0"))
	}
	if p := o.Spec.PreferredHolder; p != nil && *p != "" && (o.Spec.Strategy == nil || *o.Spec.Strategy == "") {
		faults = append(faults, field.Forbidden(at.Child("preferredHolder"), "may only be set together with strategy"))
	}
	return faults
}
