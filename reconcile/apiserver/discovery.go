package apiserver

import (
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// reviews are served in groups of their own, with nothing but create.
var reviews = []struct {
	gv                     schema.GroupVersion
	kind, plural, singular string
}{
	{schema.GroupVersion{Group: "authorization.k8s.io", Version: "v1"}, "SelfSubjectAccessReview", "selfsubjectaccessreviews", "selfsubjectaccessreview"},
	{schema.GroupVersion{Group: "authorization.k8s.io", Version: "v1"}, "SelfSubjectRulesReview", "selfsubjectrulesreviews", "selfsubjectrulesreview"},
	{schema.GroupVersion{Group: "authentication.k8s.io", Version: "v1"}, "SelfSubjectReview", "selfsubjectreviews", "selfsubjectreview"},
}

// groupVersions in the order of discovery: our own group first among the named ones, then what clients expect.
func (s *Server) groupVersions() []schema.GroupVersion {
	var out []schema.GroupVersion
	for _, r := range s.resources {
		if gv := r.gvk().GroupVersion(); !slices.Contains(out, gv) {
			out = append(out, gv)
		}
	}
	for _, r := range reviews {
		if !slices.Contains(out, r.gv) {
			out = append(out, r.gv)
		}
	}
	return out
}

// apiResources of a group and version; none when it is not served.
func (s *Server) apiResources(gv schema.GroupVersion) []metav1.APIResource {
	var out []metav1.APIResource
	for _, r := range s.resources {
		if r.gvk().GroupVersion() != gv {
			continue
		}
		k := r.kind
		one := metav1.APIResource{Name: k.Plural, SingularName: k.Singular, Namespaced: k.Namespaced, Kind: k.Kind, Verbs: r.verbs(),
			ShortNames: k.ShortNames, Categories: k.Categories}
		out = append(out, one)
		if r.hasStatus {
			out = append(out, metav1.APIResource{Name: k.Plural + "/status", Namespaced: k.Namespaced, Kind: k.Kind, Verbs: []string{"get"}})
		}
		if r.hasScale {
			out = append(out, metav1.APIResource{Name: k.Plural + "/scale", Namespaced: k.Namespaced, Group: "autoscaling", Version: "v1", Kind: "Scale",
				Verbs: []string{"get", "patch", "update"}})
		}
	}
	for _, r := range reviews {
		if r.gv == gv {
			out = append(out, metav1.APIResource{Name: r.plural, SingularName: r.singular, Kind: r.kind, Verbs: []string{"create"}})
		}
	}
	return out
}

func (s *Server) version(w http.ResponseWriter, _ *request) error {
	return writeJSON(w, http.StatusOK, map[string]string{"major": "1", "minor": "37", "gitVersion": "v1.37.0+mirroros." + plainVersion(s.o.Version),
		"gitCommit": "", "gitTreeState": "", "buildDate": "", "goVersion": runtime.Version(), "compiler": runtime.Compiler,
		"platform": runtime.GOOS + "/" + runtime.GOARCH})
}

// plainVersion leaves what may stand behind the + of a semantic version.
func plainVersion(v string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, v)
}

func (s *Server) coreVersions(w http.ResponseWriter, r *request) error {
	if v := aggregatedVersion(r.Header.Values("Accept")); v != "" {
		return s.aggregated(w, r, v, true)
	}
	return writeJSON(w, http.StatusOK, metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions", APIVersion: "v1"}, Versions: []string{"v1"},
		ServerAddressByClientCIDRs: []metav1.ServerAddressByClientCIDR{}})
}

func (s *Server) groups(w http.ResponseWriter, r *request) error {
	if v := aggregatedVersion(r.Header.Values("Accept")); v != "" {
		return s.aggregated(w, r, v, false)
	}
	list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	for _, gv := range s.groupVersions() {
		if gv.Group != "" {
			list.Groups = append(list.Groups, apiGroup(gv))
		}
	}
	return writeJSON(w, http.StatusOK, list)
}

func apiGroup(gv schema.GroupVersion) metav1.APIGroup {
	v := metav1.GroupVersionForDiscovery{GroupVersion: gv.String(), Version: gv.Version}
	return metav1.APIGroup{Name: gv.Group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v}
}

func (s *Server) group(w http.ResponseWriter, r *request) error {
	for _, gv := range s.groupVersions() {
		if gv.Group == r.parameters["group"] && gv.Group != "" {
			g := apiGroup(gv)
			g.TypeMeta = metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}
			return writeJSON(w, http.StatusOK, g)
		}
	}
	return noEndpoint(fmt.Sprintf("group %q", r.parameters["group"]))
}

func (s *Server) groupResources(w http.ResponseWriter, r *request) error {
	gv := schema.GroupVersion{Group: r.parameters["group"], Version: r.parameters["version"]}
	list := s.apiResources(gv)
	if list == nil {
		return noEndpoint(fmt.Sprintf("group version %q", gv))
	}
	return writeJSON(w, http.StatusOK, metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
		GroupVersion: gv.String(), APIResources: list})
}
