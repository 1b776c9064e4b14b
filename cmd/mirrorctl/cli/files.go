package cli

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"mirroros.dev/mirroros/specs"
)

// standardInput is how - is shown.
const standardInput = "standard input"

// manifest is one file given with -f.
type manifest struct {
	// path as it is to be shown; dir is where its relative paths start, absolute.
	path, dir string
	// root is the directory that was given, as it was; empty for a file.
	root string
	data []byte
}

// readManifests reads what -f names: files, directories (every .yaml and .yml below, dot names apart) and - for standard input.
func (c *command) readManifests(paths []string) ([]manifest, error) {
	var out []manifest
	for _, p := range paths {
		if p == "-" {
			data, err := io.ReadAll(c.In)
			if err != nil {
				return nil, fmt.Errorf("cannot read standard input: %v", err)
			}
			wd, err := os.Getwd()
			if err != nil {
				return nil, fmt.Errorf("cannot find the current directory: %v", err)
			}
			out = append(out, manifest{path: standardInput, dir: wd, data: data})
			continue
		}
		found, err := manifestFiles(p)
		if err != nil {
			return nil, err
		}
		root := ""
		if isDirectory(p) {
			root = p
		}
		for _, f := range found {
			data, err := os.ReadFile(f)
			if err != nil {
				return nil, fmt.Errorf("cannot read %q: %v", f, err)
			}
			abs, err := filepath.Abs(f)
			if err != nil {
				return nil, fmt.Errorf("cannot resolve %q: %v", f, err)
			}
			out = append(out, manifest{f, filepath.Dir(abs), root, data})
		}
	}
	return out, nil
}

func manifestFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read %q: %v", path, err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var out []string
	root := strings.TrimRight(path, "/") + "/" // follows a symlink
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p != root && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if ext := filepath.Ext(p); !d.IsDir() && (ext == ".yaml" || ext == ".yml") {
			out = append(out, p)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read directory %q: %v", path, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("there is no .yaml or .yml file below %q", path)
	}
	slices.Sort(out)
	return out, nil
}

// loadManifests loads every document, or prints all faults and answers no.
func (c *command) loadManifests(files []manifest) ([]*specs.Document, error) {
	var docs []*specs.Document
	var faults []specs.Fault
	for _, f := range files {
		d, bad := specs.Load(f.path, f.data)
		docs, faults = append(docs, d...), append(faults, bad...)
	}
	if len(faults) > 0 {
		c.printFaults(c.Err, faults, len(files), " Nothing changed.")
		return nil, errFalse
	}
	return docs, nil
}

// printFaults prints one line a fault, places aligned, and a count with what it means.
func (c *command) printFaults(w io.Writer, faults []specs.Fault, files int, meaning string) {
	bad := map[string]bool{}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, f := range faults {
		bad[f.File] = true
		place, text, _ := strings.Cut(f.String(), "  ")
		fmt.Fprintf(t, "%s\t%s\n", place, text)
	}
	_ = t.Flush()
	fmt.Fprintf(w, "%s in %d of %s.%s\n", count(len(faults), "fault"), len(bad), count(files, "file"), meaning)
}

// count is "1 fault" or "2 faults".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if strings.HasSuffix(what, "s") {
		return fmt.Sprintf("%d %ses", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}
