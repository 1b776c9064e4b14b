package mcp

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
)

// checkHeader holds the headers against the body. It settles Version and Modern.
func (op *Operation) checkHeader(header http.Header, params strict.Value) *Fault {
	said, f := one(header, "Mcp-Protocol-Version")
	if f != nil {
		return f
	}
	meta, err := versionOf(params)
	if err != nil {
		return newFault(codeParams, "Invalid params: "+err.Error())
	}
	op.Version = said
	op.Modern = said >= Modern || meta != ""
	switch {
	case said != "" && !slices.Contains(Versions, said):
		return unsupported(said)
	case op.Modern && op.Kind == Answer:
		return newFault(codeRequest, "Invalid request: this version has no answers from clients")
	case op.Kind == Request && op.Modern && said == "":
		return mismatch("MCP-Protocol-Version is missing")
	case op.Kind == Request && op.Modern && meta == "":
		return newFault(codeParams, "Invalid params: _meta has no "+metaVersion)
	case meta != "" && meta != said:
		return mismatch("MCP-Protocol-Version is not the version of the body")
	}
	return op.mirrored(header, params)
}

// mirrored checks Mcp-Method and Mcp-Name: where they must be, and where they are though they need not.
func (op *Operation) mirrored(header http.Header, params strict.Value) *Fault {
	method, f := one(header, "Mcp-Method")
	if f != nil {
		return f
	}
	name, f := one(header, "Mcp-Name")
	if f != nil {
		return f
	}
	must := op.Modern && op.Kind == Request
	switch {
	case method == "" && must:
		return mismatch("Mcp-Method is missing")
	case method != "" && method != op.Method:
		return mismatch("Mcp-Method is not the method of the body")
	}
	want := op.Tool + op.Prompt
	if op.Method == "resources/read" {
		want = op.Resource
	}
	if name == "" {
		if must && want != "" {
			return mismatch("Mcp-Name is missing")
		}
		return nil
	}
	decoded, err := decode(name)
	if err != nil {
		return mismatch("Mcp-Name is not encoded as it says")
	}
	if decoded == want || (want == "" && slices.Contains(names(params), decoded)) {
		return nil
	}
	return mismatch("Mcp-Name is not the name in the body")
}

// one gives a header that may be there once.
func one(header http.Header, name string) (string, *Fault) {
	switch values := header[name]; len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", mismatch(name + " is there twice")
}

// decode takes a value out of the form that values have that are no plain ASCII.
func decode(s string) (string, error) {
	const begin, end = "=?base64?", "?="
	if !strings.HasPrefix(s, begin) || !strings.HasSuffix(s, end) || len(s) < len(begin)+len(end) {
		return s, nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s[len(begin) : len(s)-len(end)])
	return string(b), err
}

// versionOf gives the version that a request tells of itself.
func versionOf(params strict.Value) (version string, err error) {
	if params.Raw == nil {
		return "", nil
	}
	err = params.Fields([]string{"_meta"}, func(_ string, meta strict.Value) error {
		if meta.IsNull() {
			return nil
		}
		if !meta.IsObject() {
			return fmt.Errorf("_meta must be an object")
		}
		return meta.Fields([]string{metaVersion}, func(_ string, v strict.Value) error {
			var err error
			if version, err = v.Text(); err != nil || version == "" {
				return fmt.Errorf("%s must be a string", metaVersion)
			}
			return nil
		})
	})
	return version, err
}

// names are what an extension's method may mirror in Mcp-Name.
func names(params strict.Value) (all []string) {
	if params.Raw == nil {
		return nil
	}
	_ = params.Fields([]string{"name", "uri", "taskId"}, func(_ string, v strict.Value) error {
		if s, err := v.Text(); err == nil {
			all = append(all, s)
		}
		return nil
	})
	return all
}
