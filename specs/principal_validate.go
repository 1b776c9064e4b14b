package specs

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Bounds of tokens.
const (
	// DefaultMaxTokenTTL is how long a token of a principal may be valid that says nothing.
	DefaultMaxTokenTTL = 720 * time.Hour
	// DefaultTokenTTL is how long a token in an environment is valid that says nothing.
	DefaultTokenTTL = 24 * time.Hour
	// MinTokenTTL and MaxTokenTTL bound both.
	MinTokenTTL = time.Minute
	MaxTokenTTL = 8760 * time.Hour
)

// Principals that are there without being declared.
const (
	// PrincipalAnonymous is who brings no credentials to a gate that takes such.
	PrincipalAnonymous = "system/anonymous"
	// PrincipalCheck is who asks the prompts of Checks: the operator itself. Only it has a token of that name.
	PrincipalCheck = "system/check"
	// PrincipalOfProcess, with the name of a Process, is that process where it names no principal.
	PrincipalOfProcess = "process/"
	// PrincipalOfSystem begins the names of the operator's own.
	PrincipalOfSystem = "system/"
)

// Default fills in what the principal leaves out.
func (o *Principal) Default() {
	orPointer(&made(&o.Spec.Tokens).MaxTTL, metav1.Duration{Duration: DefaultMaxTokenTTL})
}

// Validate tells everything that is wrong in the principal by itself.
func (o *Principal) Validate() field.ErrorList {
	v, spec := &checks{}, field.NewPath("spec")
	v.required(spec.Child("type"), string(o.Spec.Type), principalTypes...)
	if t := o.Spec.Tokens; t != nil {
		v.tokenTTL(spec.Child("tokens", "maxTTL"), t.MaxTTL)
	}
	return v.faults
}

var principalTypes = []string{string(PrincipalAgent), string(PrincipalHuman), string(PrincipalProcess)}

func (v *checks) tokenTTL(at *field.Path, d *metav1.Duration) {
	v.duration(at, d, metav1.Duration{Duration: MinTokenTTL}, metav1.Duration{Duration: MaxTokenTTL})
}
