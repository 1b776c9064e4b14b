package apiserver

import (
	"encoding/json"
	"mime"
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// aggregatedVersion is the version of apidiscovery.k8s.io that a client prefers; empty when it wants the plain lists.
func aggregatedVersion(accept []string) string {
	for _, h := range accept {
		for one := range strings.SplitSeq(h, ",") {
			mt, p, err := mime.ParseMediaType(strings.TrimSpace(one))
			if err != nil || mt != typeJSON {
				continue
			}
			if p["as"] == "" {
				return ""
			}
			if v := p["v"]; p["as"] == "APIGroupDiscoveryList" && p["g"] == "apidiscovery.k8s.io" && (v == "v2" || v == "v2beta1") {
				return v
			}
		}
	}
	return ""
}

// The shape of apidiscovery.k8s.io v2 and v2beta1.
type (
	groupDiscovery struct {
		Metadata metav1.ObjectMeta  `json:"metadata"`
		Versions []versionDiscovery `json:"versions"`
	}
	versionDiscovery struct {
		Version   string              `json:"version"`
		Resources []resourceDiscovery `json:"resources"`
		Freshness string              `json:"freshness"`
	}
	resourceDiscovery struct {
		Resource         string                 `json:"resource"`
		ResponseKind     groupVersionKind       `json:"responseKind"`
		Scope            string                 `json:"scope"`
		SingularResource string                 `json:"singularResource"`
		Verbs            []string               `json:"verbs"`
		ShortNames       []string               `json:"shortNames,omitempty"`
		Categories       []string               `json:"categories,omitempty"`
		Subresources     []subresourceDiscovery `json:"subresources,omitempty"`
	}
	subresourceDiscovery struct {
		Subresource  string           `json:"subresource"`
		ResponseKind groupVersionKind `json:"responseKind"`
		Verbs        []string         `json:"verbs"`
	}
	groupVersionKind struct {
		Group   string `json:"group"`
		Version string `json:"version"`
		Kind    string `json:"kind"`
	}
)

// aggregated answers all resources of the core group, or of the others, at once.
func (s *Server) aggregated(w http.ResponseWriter, r *request, version string, core bool) error {
	groups := []groupDiscovery{}
	for _, gv := range s.groupVersions() {
		if (gv.Group == "") == core {
			groups = append(groups, groupDiscovery{Metadata: metav1.ObjectMeta{Name: gv.Group}, Versions: []versionDiscovery{
				{Version: gv.Version, Freshness: "Current", Resources: discoveryOf(gv, s.apiResources(gv))}}})
		}
	}
	b, err := json.Marshal(map[string]any{"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/" + version, "metadata": map[string]any{}, "items": groups})
	if err != nil {
		return err
	}
	return writeDocument(w, r, "application/json;g=apidiscovery.k8s.io;v="+version+";as=APIGroupDiscoveryList", b)
}

func discoveryOf(gv schema.GroupVersion, list []metav1.APIResource) []resourceDiscovery {
	var out []resourceDiscovery
	for _, a := range list {
		kind := groupVersionKind{gv.Group, gv.Version, a.Kind}
		if a.Group != "" {
			kind.Group, kind.Version = a.Group, a.Version
		}
		if _, sub, ok := strings.Cut(a.Name, "/"); ok {
			of := &out[len(out)-1]
			of.Subresources = append(of.Subresources, subresourceDiscovery{sub, kind, a.Verbs})
			continue
		}
		d := resourceDiscovery{Resource: a.Name, ResponseKind: kind, Scope: "Cluster", SingularResource: a.SingularName, Verbs: a.Verbs,
			ShortNames: a.ShortNames, Categories: a.Categories}
		if a.Namespaced {
			d.Scope = "Namespaced"
		}
		out = append(out, d)
	}
	return out
}
