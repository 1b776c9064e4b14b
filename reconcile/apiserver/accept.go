package apiserver

import (
	"mime"
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// form is how objects are written.
type form int

const (
	asIs form = iota
	asTable
	asMetadata
)

// negotiate picks the first form of the Accept headers that can be given. No header takes anything.
func negotiate(headers []string) (form, error) {
	none := true
	for _, h := range headers {
		for one := range strings.SplitSeq(h, ",") {
			if one = strings.TrimSpace(one); one == "" {
				continue
			}
			none = false
			if f, ok := formOf(one); ok {
				return f, nil
			}
		}
	}
	if none {
		return asIs, nil
	}
	return asIs, statusError(http.StatusNotAcceptable, metav1.StatusReasonNotAcceptable, "only the following media types are accepted: application/json")
}

func formOf(one string) (form, bool) {
	mt, p, err := mime.ParseMediaType(one)
	if err != nil {
		return 0, false
	}
	switch mt {
	case "*/*", "application/*", "text/plain", "text/*":
		return asIs, true
	case "application/json":
	default:
		return 0, false
	}
	if g, v := p["g"], p["v"]; g == "meta.k8s.io" && v == "v1" {
		switch p["as"] {
		case "Table":
			return asTable, true
		case "PartialObjectMetadata", "PartialObjectMetadataList":
			return asMetadata, true
		}
	}
	return asIs, p["as"] == ""
}
