package specs

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Validate tells everything that is wrong in the stack by itself.
func (o *Stack) Validate() field.ErrorList {
	if p := o.Spec.Prune; p == nil || p.MaxDeletePercent == nil || o.Spec.Locality == "" || o.Spec.RevisionHistoryLimit == nil {
		o = Copy(o)
		o.Default()
	}
	var faults field.ErrorList
	spec := field.NewPath("spec")
	if p := o.Spec.Source.Path; path.Clean(p) != "." && !isBelow(p) {
		faults = append(faults, field.Invalid(spec.Child("source", "path"), p, "must be a relative path at or below the directory of this file, without .."))
	}
	for i, pattern := range o.Spec.Source.Exclude {
		if strings.TrimSpace(pattern) == "" || strings.ContainsAny(pattern, "\x00\n") {
			faults = append(faults, field.Invalid(spec.Child("source", "exclude").Index(i), pattern, "must be a pattern on one line"))
		} else if _, err := path.Match(pattern, "x"); err != nil {
			faults = append(faults, field.Invalid(spec.Child("source", "exclude").Index(i), pattern, "is no pattern: a [ or a \\ is not finished"))
		}
	}
	for _, f := range []struct {
		name, value string
		known       []string
	}{
		{"sync", string(o.Spec.Sync), []string{string(SyncAuto), string(SyncManual)}},
		{"locality", string(o.Spec.Locality), []string{string(LocalitySealed), string(LocalityLocalFirst), string(LocalityOpen)}},
		{"deletionPolicy", string(o.Spec.DeletionPolicy), []string{string(DeletionDelete), string(DeletionOrphan)}},
	} {
		if !slices.Contains(f.known, f.value) {
			faults = append(faults, notSupported(spec.Child(f.name), f.value, f.known))
		}
	}
	if n := *o.Spec.Prune.MaxDeletePercent; n < 1 || n > 100 {
		faults = append(faults, field.Invalid(spec.Child("prune", "maxDeletePercent"), n, "must be from 1 to 100"))
	}
	if n := *o.Spec.RevisionHistoryLimit; n < 1 || n > MaxRevisionHistoryLimit {
		faults = append(faults, field.Invalid(spec.Child("revisionHistoryLimit"), n, fmt.Sprintf("must be from 1 to %d", MaxRevisionHistoryLimit)))
	}
	return faults
}
