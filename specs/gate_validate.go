package specs

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// What a Gate gets where it says nothing.
const (
	DefaultMaxBodyBytes          = 32 << 20
	DefaultMaxConcurrentRequests = 256
	DefaultAuditMaxBytes         = 2 << 30
)

// Default fills in what the gate leaves out.
func (o *Gate) Default() {
	a := made(&o.Spec.Authentication)
	orPointer(&a.Tokens, true)
	orPointer(&a.PeerCredentials, false)
	orPointer(&a.Anonymous, false)
	l := made(&o.Spec.Limits)
	orQuantity(&l.MaxBodyBytes, DefaultMaxBodyBytes)
	orPointer(&l.MaxConcurrentRequests, DefaultMaxConcurrentRequests)
	or(&o.Spec.Durability, DurabilityPower)
	audit := made(&o.Spec.Audit)
	or(&audit.Level, AuditDigests)
	or(&audit.Retain, "90d")
	orQuantity(&audit.MaxBytes, DefaultAuditMaxBytes)
}

// orQuantity sets a quantity that is nil. A quantity writes down its text when first asked, and objects in the store are read by many at
// once, so it is asked here.
func orQuantity(q **resource.Quantity, value int64) {
	if *q == nil {
		*q = resource.NewQuantity(value, resource.BinarySI)
	}
	_ = (*q).String()
}

// Validate tells everything that is wrong in the gate by itself.
func (o *Gate) Validate() field.ErrorList {
	o = Copy(o)
	o.Default()
	v, spec := &checks{}, field.NewPath("spec")
	v.listen(spec, &o.Spec)
	if a := o.Spec.Authentication; !*a.Tokens && !*a.PeerCredentials && !*a.Anonymous {
		v.add(field.Forbidden(spec.Child("authentication"), "with all of it false nobody can pass: leave one true"))
	}
	limits := spec.Child("limits")
	v.quantity(limits.Child("maxBodyBytes"), o.Spec.Limits.MaxBodyBytes, 1<<10, 1<<30)
	if n := *o.Spec.Limits.MaxConcurrentRequests; n < 1 || n > 1_000_000 {
		v.invalid(limits.Child("maxConcurrentRequests"), n, "must be from 1 to 1000000")
	}
	v.oneOf(spec.Child("durability"), string(o.Spec.Durability), string(DurabilityPower), string(DurabilityProcess))
	audit := spec.Child("audit")
	v.oneOf(audit.Child("level"), string(o.Spec.Audit.Level), string(AuditMetadata), string(AuditDigests), string(AuditBodies))
	if d, err := ParseDays(o.Spec.Audit.Retain); err != nil {
		v.invalid(audit.Child("retain"), o.Spec.Audit.Retain, "must be days, as 90d, or a duration, as 720h")
	} else if d < time.Hour {
		v.invalid(audit.Child("retain"), o.Spec.Audit.Retain, "must be at least 1h")
	}
	v.quantity(audit.Child("maxBytes"), o.Spec.Audit.MaxBytes, 1<<20, 0)
	return v.faults
}

// quantity checks a number of bytes; 0 for most is no bound.
func (v *checks) quantity(at *field.Path, q *resource.Quantity, least, most int64) {
	word := func(n int64) string { return resource.NewQuantity(n, resource.BinarySI).String() }
	switch n := q.Value(); {
	case n < least:
		v.invalid(at, q.String(), "must be at least %s", word(least))
	case most > 0 && n > most:
		v.invalid(at, q.String(), "must be at most %s", word(most))
	}
}

var socketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// ownSockets are names in the runtime directory that the operator takes itself.
var ownSockets = []string{"api.sock", "gate.sock"}

func (v *checks) listen(spec *field.Path, s *GateSpec) {
	at, l := spec.Child("listen"), s.Listen
	switch {
	case l.Address == "" && l.Unix == "":
		v.add(field.Required(at, "write address: 127.0.0.1:PORT, or unix: NAME"))
	case l.Address != "" && l.Unix != "":
		v.add(field.Forbidden(at.Child("unix"), "there is an address already: write one of both"))
	case l.Address != "":
		v.address(at.Child("address"), spec.Child("exposeBeyondHost"), s)
	case !socketName.MatchString(l.Unix):
		v.invalid(at.Child("unix"), l.Unix, "must be the plain name of a socket, as front.sock: it stands in the runtime directory")
	case slices.Contains(ownSockets, l.Unix):
		v.invalid(at.Child("unix"), l.Unix, "is the operator's own socket; choose another name")
	}
	if l.Address == "" && s.ExposeBeyondHost {
		v.add(field.Forbidden(spec.Child("exposeBeyondHost"), "is for an address, and a socket is reached on this host only"))
	}
}

func (v *checks) address(at, expose *field.Path, s *GateSpec) {
	text := s.Listen.Address
	a, err := netip.ParseAddrPort(text)
	switch {
	case strings.HasPrefix(text, "localhost:"):
		v.invalid(at, text, "must be an IP address and a port, did you mean %q?", "127.0.0.1"+strings.TrimPrefix(text, "localhost"))
	case strings.HasPrefix(text, ":"):
		v.invalid(at, text, "must be an IP address and a port, did you mean %q?", "127.0.0.1"+text)
	case err != nil:
		v.invalid(at, text, "must be an IP address and a port, as 127.0.0.1:8088 or [::1]:8088")
	case !a.Addr().Unmap().IsLoopback() && !s.ExposeBeyondHost:
		v.invalid(at, text, "is reached from beyond this host: write 127.0.0.1, or say so with exposeBeyondHost: true")
	case a.Addr().Unmap().IsLoopback() && s.ExposeBeyondHost:
		v.invalid(expose, true, "is for an address that is not loopback, and %s is: remove it", text)
	}
}
