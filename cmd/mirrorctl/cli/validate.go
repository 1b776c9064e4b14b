package cli

import (
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

// validateAnswer is what `validate -o json` says.
type validateAnswer struct {
	Files   int           `json:"files"`
	Objects int           `json:"objects"`
	Faults  []specs.Fault `json:"faults"`
	// Warnings are of what is right and perhaps not meant.
	Warnings []specs.Fault `json:"warnings,omitempty"`
}

func newValidate(c *command) *cobra.Command {
	var paths []string
	var output string
	cmd := &cobra.Command{
		Use:   "validate [-f FILE|DIR|-]...",
		Short: "Check manifests, without an operator",
		Long: `validate checks files as the operator would: syntax, fields, values, and how the objects of all files fit together.
Every fault is told at once, with file, line and column. Exit code 0: no fault; 1: faults. A warning is of what is right and perhaps not
meant, as a limit that never resets; it changes nothing.

A directory is taken for the operator's manifest directory: what the Stacks in it exclude is passed over.

When only files are given, and no directory, a reference to an object that they do not declare is a note and no fault, and no agent is
missed in a budget.`,
		Example: `  mirrorctl validate
  mirrorctl validate -f ~/stack
  mirrorctl validate -f web.yaml -o json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := checkFormat(output, "json", "yaml"); err != nil {
				return err
			}
			return c.validate(paths, output)
		},
	}
	cmd.Flags().StringSliceVarP(&paths, "filename", "f", []string{"."}, "file, directory or - for standard input")
	cmd.Flags().StringVarP(&output, "output", "o", "", "json or yaml")
	return cmd
}

func (c *command) validate(paths []string, output string) error {
	files, err := c.readManifests(paths)
	if err != nil {
		return err
	}
	var all []loaded
	for _, f := range files {
		l := loaded{manifest: f}
		l.docs, l.faults = specs.Load(f.path, f.data)
		all = append(all, l)
	}
	all = withoutExcluded(all)
	a := validateAnswer{Files: len(all), Faults: []specs.Fault{}}
	var docs []*specs.Document
	for _, f := range all {
		docs, a.Faults = append(docs, f.docs...), append(a.Faults, f.faults...)
	}
	a.Objects = len(docs)
	set := newDocumentSet(docs)
	a.Faults = append(a.Faults, set.faults()...)
	unresolved, whole := set.unresolved(), slices.ContainsFunc(paths, isDirectory)
	if whole {
		a.Faults, unresolved = append(a.Faults, unresolved...), nil
	}
	a.Warnings = set.warnings(whole)
	sortFaults(a.Faults)
	sortFaults(a.Warnings)
	if output == "" {
		for _, f := range a.Warnings {
			fmt.Fprintln(c.Err, "warning:", f)
		}
	}
	for _, f := range unresolved {
		fmt.Fprintln(c.Err, "note:", f)
	}
	switch {
	case output != "":
		if err := printObject(c.Out, output, a); err != nil {
			return err
		}
	case len(a.Faults) > 0:
		c.printFaults(c.Out, a.Faults, a.Files, "")
	default:
		fmt.Fprintf(c.Out, "%s, %s, no faults\n", count(a.Files, "file"), count(a.Objects, "object"))
	}
	if len(a.Faults) > 0 {
		return errFalse
	}
	return nil
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
