package specs

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What a Route gets where it says nothing.
const (
	DefaultConnectTimeout   = 2 * time.Second
	DefaultFirstByteTimeout = 120 * time.Second
	DefaultIdleTimeout      = 60 * time.Second
	DefaultAuthHeader       = "Authorization"
)

// Default fills in what the route leaves out.
func (o *Route) Default() {
	s := &o.Spec
	for i := range s.Backends {
		orPointer(&s.Backends[i].Weight, 1)
		s.Backends[i].Auth.setDefaults()
	}
	for i := range s.Fallbacks {
		s.Fallbacks[i].Auth.setDefaults()
	}
	if len(s.Fallbacks) > 0 && len(s.FallbackOn) == 0 {
		s.FallbackOn = fallbackReasons(s.Protocol)
	}
	firstByte, idle := DefaultFirstByteTimeout, DefaultIdleTimeout
	if s.Protocol.isTunnel() {
		firstByte, idle = 0, 0
	}
	t := made(&s.Timeouts)
	orPointer(&t.Connect, metav1.Duration{Duration: DefaultConnectTimeout})
	orPointer(&t.FirstByte, metav1.Duration{Duration: firstByte})
	orPointer(&t.Idle, metav1.Duration{Duration: idle})
	orPointer(&t.Request, metav1.Duration{})
	if l := s.Limits; l != nil && l.MaxOutputTokens != nil {
		orPointer(&l.DefaultOutputTokens, *l.MaxOutputTokens)
	}
	if l := s.Limits; l != nil && l.InputTokens != nil {
		or(&l.InputTokens.Bound, InputBoundBytes)
	}
}

func (a *BackendAuth) setDefaults() {
	if a != nil {
		or(&a.Header, DefaultAuthHeader)
	}
}

// IsModel tells whether requests name models and count tokens.
func (p RouteProtocol) IsModel() bool { return p == ProtocolOpenAI || p == ProtocolAnthropic }

// isTunnel tells whether bytes pass that the gate does not read.
func (p RouteProtocol) isTunnel() bool { return p == ProtocolTCP || p == ProtocolCONNECT }

// fallbackReasons that a protocol knows.
func fallbackReasons(p RouteProtocol) []FallbackReason {
	if p.isTunnel() {
		return []FallbackReason{FallbackNotReady, FallbackConnectError}
	}
	return []FallbackReason{FallbackNotReady, FallbackConnectError, FallbackStatus5xx, FallbackFirstByteTimeout}
}

// References to its gate and to the processes behind it.
func (o *Route) References() []Ref {
	var refs []Ref
	if o.Spec.Gate != "" {
		refs = append(refs, Ref{FromField: "spec.gate", Kind: "Gate", Name: o.Spec.Gate})
	}
	for _, l := range []struct {
		field    string
		backends []RouteBackend
	}{{"spec.backends", o.Spec.Backends}, {"spec.fallbacks", o.Spec.Fallbacks}} {
		for i, b := range l.backends {
			if b.Process != "" {
				refs = append(refs, Ref{FromField: fmt.Sprintf("%s[%d].process", l.field, i), Kind: "Process", Name: b.Process})
			}
		}
	}
	return refs
}
