package specs

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// instanceEnding is how the names of instances end: template hash and ordinal.
var instanceEnding = regexp.MustCompile(`-[0-9a-f]{10}-[0-9]+$`)

// validateMeta checks what every kind has.
func validateMeta(o Object) field.ErrorList {
	at := field.NewPath("metadata")
	faults := validateName(o, at.Child("name"))
	if labels := o.GetLabels(); len(labels) > 0 {
		faults = append(faults, sorted(metav1validation.ValidateLabels(labels, at.Child("labels")))...)
	}
	if annotations := o.GetAnnotations(); len(annotations) > 0 {
		faults = append(faults, sorted(apivalidation.ValidateAnnotations(annotations, at.Child("annotations")))...)
		faults = append(faults, ownAnnotations(o, annotations, at.Child("annotations"))...)
	}
	return faults
}

func validateName(o Object, at *field.Path) field.ErrorList {
	name := o.GetName()
	if name == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	check := validation.IsDNS1123Label
	if k := kindOfObject(o); k == nil || !k.Declarable() {
		check = validation.IsDNS1123Subdomain
	} else if instanceEnding.MatchString(name) {
		return field.ErrorList{field.Invalid(at, name, "ends as the names of instances do; choose another")}
	}
	var faults field.ErrorList
	for _, m := range check(name) {
		faults = append(faults, field.Invalid(at, name, m))
	}
	return faults
}

// sorted puts errors in a fixed order: maps have none.
func sorted(list field.ErrorList) field.ErrorList {
	slices.SortFunc(list, func(a, b *field.Error) int {
		if a.Error() < b.Error() {
			return -1
		}
		return 1
	})
	return list
}

// knownAnnotations are those that the operator reads, with what is wrong in a value; empty when nothing is.
var knownAnnotations = map[string]func(o Object, value string) string{
	AnnotationWave: func(_ Object, v string) string {
		if _, err := strconv.ParseInt(v, 10, 32); err != nil {
			return "must be a whole number"
		}
		return ""
	},
	AnnotationPrune: func(_ Object, v string) string {
		if v != "disabled" && v != "enabled" {
			return "must be disabled or enabled"
		}
		return ""
	},
	AnnotationRenamedFrom: func(o Object, v string) string {
		if v == o.GetName() {
			return "must be the name that it had before, not the one it has"
		}
		if len(validation.IsDNS1123Label(v)) > 0 {
			return "must be the name of an object"
		}
		return ""
	},
	AnnotationRestartedAt:   validTime,
	AnnotationResumeAt:      validTime,
	AnnotationSuspendReason: func(Object, string) string { return "" },
	AnnotationDirectory:     func(Object, string) string { return "" },
}

func validTime(_ Object, v string) string {
	if _, err := time.Parse(time.RFC3339, v); err != nil {
		return "must be a time, such as 2026-11-23T15:04:05Z"
	}
	return ""
}

// annotationNames are the known annotations without their prefix.
func annotationNames() []string {
	var names []string
	for n := range knownAnnotations {
		names = append(names, strings.TrimPrefix(n, GroupName))
	}
	return names
}

// ownAnnotations checks those of this API. One that nobody reads is a fault when it is nearly one that somebody does: a misspelt
// mirroros.dev/prune would protect nothing.
func ownAnnotations(o Object, annotations map[string]string, at *field.Path) field.ErrorList {
	var faults field.ErrorList
	for name, value := range annotations {
		if check, known := knownAnnotations[name]; known {
			if word := check(o, value); word != "" {
				faults = append(faults, field.Invalid(at.Key(name), value, word))
			}
		} else if own, isOwn := strings.CutPrefix(name, GroupName); isOwn && strings.HasPrefix(own, "/") {
			if near := suggestion(own, annotationNames()); near != "" {
				faults = append(faults, field.Invalid(at.Key(name), value, "nobody reads this annotation, did you mean "+quote(GroupName+near)+"?"))
			}
		}
	}
	return sorted(faults)
}
