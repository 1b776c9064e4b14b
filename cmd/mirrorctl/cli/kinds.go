package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

// findKind finds a kind by any name that the API gives it.
func findKind(word string) (*specs.Kind, error) {
	if k := specs.KindNamed(word); k != nil {
		return k, nil
	}
	var known []string
	for _, k := range specs.Kinds {
		known = append(known, k.Plural, k.Singular)
	}
	return nil, usageError("no kind %q%s; `mirrorctl api-resources` lists them", word, specs.DidYouMean(word, known))
}

// target is one object named on the command line.
type target struct {
	kind *specs.Kind
	name string
}

// String is kind/name.
func (t target) String() string { return t.kind.Singular + "/" + t.name }

// parseTargets reads `kind/name …` or `kind name …`. A bare word is an object of fallback when that is set, else a kind without names.
func parseTargets(args []string, fallback string) ([]target, *specs.Kind, error) {
	var out []target
	if len(args) > 0 && !strings.Contains(args[0], "/") && fallback == "" {
		k, err := findKind(args[0])
		if err != nil {
			return nil, nil, err
		}
		for _, n := range args[1:] {
			out = append(out, target{k, n})
		}
		return out, k, nil
	}
	for _, a := range args {
		kind, name, ok := strings.Cut(a, "/")
		if !ok {
			kind, name = fallback, a
		}
		k, err := findKind(kind)
		if err != nil {
			return nil, nil, err
		}
		if name == "" {
			return nil, nil, usageError("%q names no object", a)
		}
		out = append(out, target{k, name})
	}
	if len(out) == 0 {
		return nil, nil, nil
	}
	return out, out[0].kind, nil
}

// completeObjects completes kind/name, or the names of fallback's objects, from the running operator.
func (c *command) completeObjects(fallback string) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		kind, _, slash := strings.Cut(word, "/")
		switch {
		case slash:
		case fallback != "":
			kind = fallback
		case len(args) > 0 && !strings.Contains(args[0], "/"):
			kind = args[0]
		default:
			var kinds []string
			for _, k := range specs.Kinds {
				if strings.HasPrefix(k.Plural, word) {
					kinds = append(kinds, k.Plural)
				}
			}
			return kinds, cobra.ShellCompDirectiveNoFileComp
		}
		k, err := findKind(kind)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var list struct {
			Items []struct {
				Metadata struct{ Name string }
			}
		}
		if c.client().getJSON(cmd.Context(), kindPath(k, ""), &list) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, i := range list.Items {
			n := i.Metadata.Name
			if slash {
				n = kind + "/" + n
			}
			if strings.HasPrefix(n, word) {
				names = append(names, n)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
