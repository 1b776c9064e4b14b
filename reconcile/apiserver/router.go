package apiserver

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// endpoint is a route at one place: that of a resource, where the route is about one.
type endpoint struct {
	*route
	resource *resource
	// parameters are the names of those in the path, in order.
	parameters []string
}

// node is one segment of the paths.
type node struct {
	literal map[string]*node
	// parameter takes any segment.
	parameter *node
	methods   map[string]endpoint
}

// newRouter lays the routes out for the resources.
func newRouter(resources []*resource) *node {
	root := &node{}
	for i := range routes {
		rt := &routes[i]
		if !strings.HasPrefix(rt.path, "{") {
			root.add(rt.path, rt, at(resources, rt.path))
			continue
		}
		for _, r := range resources {
			if rt.flags&scales != 0 && !r.hasScale || rt.flags&status != 0 && !r.hasStatus {
				continue
			}
			all := r.root() + "/" + r.kind.Plural
			if rest, ok := strings.CutPrefix(rt.path, "{all}"); ok && r.kind.Namespaced {
				root.add(all+rest, rt, r)
			} else if rest, ok := strings.CutPrefix(rt.path, "{objects}"); ok {
				root.add(r.path()+rest, rt, r)
			}
		}
	}
	return root
}

// at finds the resource that a path is below.
func at(resources []*resource, path string) *resource {
	for _, r := range resources {
		if strings.HasPrefix(path, r.path()+"/") {
			return r
		}
	}
	return nil
}

func (n *node) add(path string, rt *route, r *resource) {
	e := endpoint{route: rt, resource: r}
	for segment := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			if n.parameter == nil {
				n.parameter = &node{}
			}
			n = n.parameter
			e.parameters = append(e.parameters, strings.TrimSuffix(name, "}"))
			continue
		}
		if n.literal == nil {
			n.literal = map[string]*node{}
		}
		if n.literal[segment] == nil {
			n.literal[segment] = &node{}
		}
		n = n.literal[segment]
	}
	if n.methods == nil {
		n.methods = map[string]endpoint{}
	}
	n.methods[rt.method] = e
}

// find answers the endpoint and the parameters of its path. Without one, allowed are the methods that the path has; none when there is
// no such path.
func (n *node) find(method string, u *url.URL) (e endpoint, parameters map[string]string, allowed []string) {
	var segments []string
	for s := range strings.SplitSeq(strings.Trim(u.EscapedPath(), "/"), "/") {
		segment, err := url.PathUnescape(s)
		if err != nil || segment == "" {
			return endpoint{}, nil, nil
		}
		segments = append(segments, segment)
	}
	values := make([]string, 0, 4)
	if n, values = n.walk(segments, values); n == nil {
		return endpoint{}, nil, nil
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	e, ok := n.methods[method]
	if !ok {
		return endpoint{}, nil, slices.Sorted(maps.Keys(n.methods))
	}
	parameters = make(map[string]string, len(values))
	for i, v := range values {
		parameters[e.parameters[i]] = v
	}
	return e, parameters, nil
}

// walk finds the node of some segments and the values of the parameters on the way. A literal goes before a parameter.
func (n *node) walk(segments, values []string) (*node, []string) {
	if len(segments) == 0 {
		if n.methods == nil {
			return nil, nil
		}
		return n, values
	}
	if next := n.literal[segments[0]]; next != nil {
		if found, v := next.walk(segments[1:], values); found != nil {
			return found, v
		}
	}
	if n.parameter == nil {
		return nil, nil
	}
	return n.parameter.walk(segments[1:], append(values, segments[0]))
}
