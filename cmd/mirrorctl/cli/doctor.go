package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The levels of a finding.
const (
	levelOK   = "ok"
	levelWarn = "warn"
	levelFail = "fail"
)

// finding is what one check of doctor found.
type finding struct {
	Level string `json:"level"`
	// Text says what is so; Fix what to type.
	Text string `json:"text"`
	Fix  string `json:"fix,omitempty"`
}

func ok(format string, args ...any) finding {
	return finding{Level: levelOK, Text: fmt.Sprintf(format, args...)}
}

func warn(fix, format string, args ...any) finding {
	return finding{Level: levelWarn, Text: fmt.Sprintf(format, args...), Fix: fix}
}

func fail(fix, format string, args ...any) finding {
	return finding{Level: levelFail, Text: fmt.Sprintf(format, args...), Fix: fix}
}

// doctorOptions are where doctor looks.
type doctorOptions struct {
	manifests, state string
	output           string
}

func newDoctor(c *command) *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what this host gives the operator, and say what to type where it does not",
		Long: `doctor looks at the kernel, the limits, the service manager, the state directory and the operator. It changes nothing.
Exit code 0: nothing fails, though something may be worth a look (warn); 1: something fails.`,
		Example: `  mirrorctl doctor
  mirrorctl doctor --manifests ~/stack`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFormat(o.output, "json", "yaml"); err != nil {
				return err
			}
			return c.doctor(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.manifests, "manifests", os.Getenv("MIRROROS_MANIFESTS"), "directory of manifests (default: the running operator's)")
	f.StringVar(&o.state, "state", os.Getenv("MIRROROS_STATE"), "state directory (default: the running operator's, else where mirrorosd puts it)")
	f.StringVarP(&o.output, "output", "o", "", "json or yaml")
	return cmd
}

func (c *command) doctor(ctx context.Context, o doctorOptions) error {
	operator, host := c.checkOperator(ctx)
	if o.manifests == "" {
		o.manifests = host.Manifests
	}
	if o.state == "" {
		o.state = host.State
	}
	if o.state == "" {
		o.state = defaultState()
	}
	findings := append(hostFindings(o), checkGuard(), checkManifests(o.manifests))
	findings = append(findings, operator...)
	findings = slices.DeleteFunc(findings, func(f finding) bool { return f.Text == "" })
	if o.output != "" {
		if err := printObject(c.Out, o.output, map[string]any{"findings": findings}); err != nil {
			return err
		}
	} else {
		c.printFindings(findings)
	}
	for _, f := range findings {
		if f.Level == levelFail {
			return errFalse
		}
	}
	return nil
}

func (c *command) printFindings(all []finding) {
	colours := map[string]string{levelOK: green, levelWarn: yellow, levelFail: red}
	for _, f := range all {
		fmt.Fprintf(c.Out, "%s  %s\n", paint(c.Out, colours[f.Level], fmt.Sprintf("%-4s", f.Level)), f.Text)
		if f.Fix != "" {
			fmt.Fprintf(c.Out, "        %s\n", f.Fix)
		}
	}
}

// hostAnswer is what the operator says of itself, as far as doctor needs it.
type hostAnswer struct {
	Version   string          `json:"version"`
	PID       int             `json:"pid"`
	State     string          `json:"state"`
	Manifests string          `json:"manifests"`
	Warnings  json.RawMessage `json:"warnings"`
	// Conditions that hold and should not.
	Conditions []metav1.Condition `json:"conditions"`
}

// warnings as texts: a list of strings, or of objects with a message.
func (h *hostAnswer) warnings() (out []string) {
	var list []any
	_ = json.Unmarshal(h.Warnings, &list)
	for _, w := range list {
		switch w := w.(type) {
		case string:
			out = append(out, w)
		case object:
			out = append(out, fmt.Sprint(w["message"]))
		}
	}
	return out
}

func (c *command) checkOperator(ctx context.Context) ([]finding, hostAnswer) {
	var h hostAnswer
	if err := c.client().getJSON(ctx, "/mirroros/host", &h); err != nil {
		var e *exitError
		if errors.As(err, &e) && e.code == exitNoOperator {
			return []finding{warn("mirrorosd --manifests DIR", "%v", err)}, h
		}
		return []finding{fail("", "the operator does not say how it is: %v", err)}, h
	}
	out := []finding{ok("operator %s answers, pid %d", h.Version, h.PID)}
	for _, cond := range h.Conditions {
		out = append(out, fail("", "%s: %s", cond.Type, cond.Message))
	}
	for _, w := range h.warnings() {
		out = append(out, warn("", "the operator says: %s", w))
	}
	if h.Version != "" && h.Version != c.version {
		out = append(out, warn("", "mirrorctl is %s and the operator is %s", c.version, h.Version))
	}
	return out, h
}

// defaultState is where mirrorosd puts its state by itself.
func defaultState() string {
	if os.Geteuid() == 0 {
		return "/var/lib/mirroros"
	}
	if d := os.Getenv("XDG_STATE_HOME"); d != "" {
		return filepath.Join(d, "mirroros")
	}
	if h, err := os.UserHomeDir(); err == nil {
		return filepath.Join(h, ".local/state/mirroros")
	}
	return ""
}

// checkGuard looks for mirrorguard where mirrorosd does: beside itself, else in the PATH.
func checkGuard() finding {
	if exe, err := os.Executable(); err == nil {
		if resolved, err := filepath.EvalSymlinks(exe); err == nil {
			exe = resolved
		}
		if path := filepath.Join(filepath.Dir(exe), "mirrorguard"); executable(path) {
			return ok("mirrorguard: %s", path)
		}
	}
	if path, err := exec.LookPath("mirrorguard"); err == nil {
		return ok("mirrorguard: %s", path)
	}
	return fail("make build && sudo make install", "mirrorguard is neither beside mirrorctl nor in the PATH: exits are not recorded while the operator is away")
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// checkManifests looks whether the directory can be read, and whether only its owner can write what root would run.
func checkManifests(dir string) finding {
	if dir == "" {
		return finding{}
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return fail("mkdir -p "+dir, "manifests: %v", err)
	case !info.IsDir():
		return fail("", "manifests: %s is not a directory", dir)
	case os.Geteuid() == 0 && info.Mode()&0o022 != 0:
		return fail("chmod go-w "+dir, "manifests: others can write to %s, and root would run what they write", dir)
	}
	if _, err := os.ReadDir(dir); err != nil {
		return fail("", "manifests: %v", err)
	}
	return ok("manifests: %s", dir)
}

// countDirectories below root, dot directories apart, as the operator watches them.
func countDirectories(root string) int {
	n := 0
	_ = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || !d.IsDir():
			return nil
		case p != root && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		}
		n++
		return nil
	})
	return n
}
