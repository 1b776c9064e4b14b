package apiserver

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

// newerEvent is an Event as events.k8s.io/v1 shows it.
type newerEvent struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	EventTime                *metav1.MicroTime     `json:"eventTime"`
	ReportingController      string                `json:"reportingController,omitempty"`
	ReportingInstance        string                `json:"reportingInstance,omitempty"`
	Reason                   string                `json:"reason,omitempty"`
	Regarding                specs.ObjectReference `json:"regarding,omitzero"`
	Note                     string                `json:"note,omitempty"`
	Type                     string                `json:"type,omitempty"`
	DeprecatedSource         specs.EventSource     `json:"deprecatedSource,omitzero"`
	DeprecatedFirstTimestamp metav1.Time           `json:"deprecatedFirstTimestamp,omitzero"`
	DeprecatedLastTimestamp  metav1.Time           `json:"deprecatedLastTimestamp,omitzero"`
	DeprecatedCount          int32                 `json:"deprecatedCount,omitempty"`
}

const eventsGroup = "events.k8s.io"

// eventFields are the fields of the newer Event that have another name in the older one.
var eventFields = map[string]string{
	"regarding": "involvedObject", "note": "message", "reportingController": "reportingComponent", "deprecatedSource": "source",
	"deprecatedFirstTimestamp": "firstTimestamp", "deprecatedLastTimestamp": "lastTimestamp", "deprecatedCount": "count",
}

// newerEvents serves the Events of core/v1 as events.k8s.io/v1.
func newerEvents(core *resource) *resource {
	return &resource{kind: core.kind, group: eventsGroup, version: "v1", view: newEventView, fields: map[string]string{
		"regarding.kind": "involvedObject.kind", "regarding.name": "involvedObject.name", "regarding.namespace": "involvedObject.namespace",
		"regarding.uid": "involvedObject.uid", "regarding.apiVersion": "involvedObject.apiVersion", "reason": "reason", "type": "type",
		"reportingController": "reportingComponent",
	}}
}

func newEventView(o specs.Object) any {
	e, ok := o.(*specs.Event)
	if !ok {
		return o
	}
	return &newerEvent{
		TypeMeta:   metav1.TypeMeta{Kind: "Event", APIVersion: eventsGroup + "/v1"},
		ObjectMeta: e.ObjectMeta, EventTime: e.EventTime, ReportingController: e.ReportingComponent, ReportingInstance: e.ReportingInstance,
		Reason: e.Reason, Regarding: e.InvolvedObject, Note: e.Message, Type: e.Type, DeprecatedSource: e.Source,
		DeprecatedFirstTimestamp: e.FirstTimestamp, DeprecatedLastTimestamp: e.LastTimestamp, DeprecatedCount: e.Count,
	}
}
