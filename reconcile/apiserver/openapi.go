package apiserver

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"mirroros.dev/mirroros/specs"
)

// documents are the OpenAPI documents, made when first asked for.
type documents struct {
	once sync.Once
	v3   map[schema.GroupVersion][]byte
	v2   []byte
	err  error
}

func (s *Server) docs() (*documents, error) {
	d := &s.documents
	d.once.Do(func() {
		d.v3 = map[schema.GroupVersion][]byte{}
		for _, gv := range s.groupVersions() {
			if d.v3[gv], d.err = json.Marshal(s.openAPI(gv)); d.err != nil {
				return
			}
		}
		d.v2, d.err = json.Marshal(s.swagger())
	})
	return d, d.err
}

// openAPIv2 is what old clients ask for; in JSON only.
func (s *Server) openAPIv2(w http.ResponseWriter, r *request) error {
	if a := r.Header.Get("Accept"); a != "" && !strings.Contains(a, "json") && !strings.Contains(a, "*/*") {
		return noEndpoint("OpenAPI v2 in protobuf; use v3")
	}
	d, err := s.docs()
	if err != nil {
		return err
	}
	return writeDocument(w, r, typeJSON, d.v2)
}

// openAPIv3 lists the documents, each at a path that changes with its content.
func (s *Server) openAPIv3(w http.ResponseWriter, r *request) error {
	d, err := s.docs()
	if err != nil {
		return err
	}
	paths := map[string]any{}
	for gv, b := range d.v3 {
		p := strings.TrimPrefix(rootOf(gv.Group, gv.Version), "/")
		paths[p] = map[string]string{"serverRelativeURL": "/openapi/v3/" + p + "?hash=" + hash(b)}
	}
	b, err := json.Marshal(map[string]any{"paths": paths})
	if err != nil {
		return err
	}
	return writeDocument(w, r, typeJSON, b)
}

func (s *Server) openAPIv3Group(w http.ResponseWriter, r *request) error {
	d, err := s.docs()
	if err != nil {
		return err
	}
	gv := schema.GroupVersion{Group: r.parameters["group"], Version: r.parameters["version"]}
	b, ok := d.v3[gv]
	if !ok {
		return noEndpoint(fmt.Sprintf("group version %q", gv))
	}
	return writeDocument(w, r, typeJSON, b)
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// writeDocument answers bytes that clients keep: with their digest as ETag, and nothing when the client has them.
func writeDocument(w http.ResponseWriter, r *request, contentType string, b []byte) error {
	tag := `"` + hash(b) + `"`
	w.Header().Set("ETag", tag)
	w.Header().Set("Vary", "Accept")
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return writeBytes(w, http.StatusOK, contentType, b)
}

// schemaName is the name of a kind among the schemas, as Kubernetes makes it: the group backwards.
func schemaName(gvk schema.GroupVersionKind) string {
	group := gvk.Group
	if group == "" {
		group = "core.api.k8s.io"
	}
	parts := strings.Split(group, ".")
	slices.Reverse(parts)
	return strings.Join(parts, ".") + "." + gvk.Version + "." + gvk.Kind
}

// schema of the resource as it is shown.
func (r *resource) schema() map[string]any {
	out := maps.Clone(specs.Schema(r.kind.Kind))
	if out == nil {
		out = map[string]any{"type": "object", "description": r.kind.Kind + " has nothing but a name.", "x-kubernetes-preserve-unknown-fields": true}
	}
	gvk := r.gvk()
	out["x-kubernetes-group-version-kind"] = []any{groupVersionKind{gvk.Group, gvk.Version, gvk.Kind}}
	if r.group == eventsGroup {
		was := out["properties"].(map[string]any)
		is := maps.Clone(was)
		for name, core := range eventFields {
			delete(is, core)
			is[name] = was[core]
		}
		out["properties"] = is
		delete(out, "required")
	}
	return out
}

// parameters of an operation, in OpenAPI v3. Clients look for dryRun and fieldValidation before they use them.
func parameters() []any {
	var out []any
	for _, p := range [][3]string{
		{"dryRun", "string", "All: everything but the write."},
		{"fieldManager", "string", "Name of who sets the fields."},
		{"fieldValidation", "string", "Accepted; unknown fields are errors always."},
		{"force", "boolean", "Takes fields from other managers."},
	} {
		out = append(out, map[string]any{"name": p[0], "in": "query", "description": p[2], "schema": map[string]any{"type": p[1], "uniqueItems": true}})
	}
	return out
}

func (s *Server) openAPI(gv schema.GroupVersion) map[string]any {
	schemas, paths := map[string]any{}, map[string]any{}
	for _, r := range s.resources {
		if r.gvk().GroupVersion() != gv {
			continue
		}
		name := schemaName(r.gvk())
		schemas[name] = r.schema()
		operations := map[string]string{"get": "get", "patch": "patch"} // patch for all: without it clients fall back to OpenAPI v2
		if r.writable {
			operations["put"], operations["delete"] = "update", "delete"
		}
		paths[r.path()+"/{name}"] = r.item(operations, "#/components/schemas/"+name)
		operations = map[string]string{"get": "list"}
		if r.writable {
			operations["post"] = "create"
		}
		paths[r.path()] = r.item(operations, "#/components/schemas/"+name)
	}
	return map[string]any{"openapi": "3.0.0", "info": s.info(), "paths": paths, "components": map[string]any{"schemas": schemas}}
}

// item is what can be done at one path.
func (r *resource) item(operations map[string]string, ref string) map[string]any {
	item := map[string]any{}
	gvk := r.gvk()
	content := map[string]any{typeJSON: map[string]any{"schema": map[string]any{"$ref": ref}}}
	for method, verb := range operations {
		o := map[string]any{"operationId": verb + r.kind.Kind, "x-kubernetes-action": verb,
			"x-kubernetes-group-version-kind": groupVersionKind{gvk.Group, gvk.Version, gvk.Kind},
			"responses":                       map[string]any{"200": map[string]any{"description": "OK", "content": content}}}
		if method != "get" {
			o["parameters"] = parameters()
		}
		item[method] = o
	}
	return item
}

func (s *Server) info() map[string]string {
	return map[string]string{"title": "MirrorOS", "version": s.o.Version}
}

// swagger is OpenAPI v2: the kinds, and that they can be patched.
func (s *Server) swagger() map[string]any {
	definitions, paths := map[string]any{}, map[string]any{}
	for _, r := range s.resources {
		name, gvk := schemaName(r.gvk()), r.gvk()
		definitions[name] = r.schema()
		if !r.writable {
			continue
		}
		var query []any
		for _, p := range parameters() {
			p := p.(map[string]any)
			query = append(query, map[string]any{"name": p["name"], "in": "query", "type": p["schema"].(map[string]any)["type"], "uniqueItems": true})
		}
		paths[r.path()+"/{name}"] = map[string]any{"patch": map[string]any{"operationId": "patch" + r.kind.Kind, "x-kubernetes-action": "patch",
			"x-kubernetes-group-version-kind": groupVersionKind{gvk.Group, gvk.Version, gvk.Kind}, "parameters": query,
			"consumes":  []string{typeJSONPatch, typeMergePatch, typeApplyPatch},
			"responses": map[string]any{"200": map[string]any{"description": "OK", "schema": map[string]string{"$ref": "#/definitions/" + name}}}}}
	}
	return map[string]any{"swagger": "2.0", "info": s.info(), "paths": paths, "definitions": definitions}
}
