package main

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
)

//go:embed mirrorosd.service.tmpl
var unitText string

var unitTemplate = template.Must(template.New("unit").Funcs(template.FuncMap{"quote": unitQuote}).Parse(unitText))

// unit is what a systemd unit is made from.
type unit struct {
	Exec      string
	Manifests string
	State     string
	Run       string
	User      bool
}

func newInstallCommand() *cobra.Command {
	var u unit
	var print bool
	c := &cobra.Command{
		Use:   "install --manifests DIR [--user] [--print]",
		Short: "Write a systemd unit that is safe for the workloads",
		Long: `install writes a systemd unit under which stopping or restarting the operator leaves the workloads running:
KillMode=process, Delegate=yes, OOMPolicy=continue, TasksMax=infinity. It starts nothing.`,
		Example: `  sudo mirrorosd install --manifests /srv/stack
  mirrorosd install --user --manifests ~/stack
  mirrorosd install --manifests /srv/stack --print`,
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return u.install(cmd.OutOrStdout(), print)
		},
	}
	f := c.Flags()
	f.StringVar(&u.Manifests, "manifests", os.Getenv("MIRROROS_MANIFESTS"), "directory of manifests (required)")
	f.StringVar(&u.State, "state", "", "state directory, when it is not the default")
	f.StringVar(&u.Run, "run", "", "runtime directory, when it is not the default")
	f.BoolVar(&u.User, "user", os.Geteuid() != 0, "a unit of the user's own service manager")
	f.BoolVar(&print, "print", false, "print the unit instead of writing it")
	return c
}

func (u *unit) install(out io.Writer, print bool) error {
	if u.Manifests == "" {
		return &exitError{exitUsage, fmt.Errorf("no manifests: give --manifests DIR")}
	}
	for _, p := range []*string{&u.Manifests, &u.State, &u.Run} {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return fmt.Errorf("cannot resolve directory %q: %v", *p, err)
		}
		*p = abs
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find this program: %v", err)
	}
	u.Exec = exe
	var b strings.Builder
	if err := unitTemplate.Execute(&b, u); err != nil {
		return fmt.Errorf("cannot make the unit: %v", err)
	}
	if print {
		_, err := io.WriteString(out, b.String())
		return err
	}
	path, err := u.path()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("cannot make directory %q: %v", filepath.Dir(path), err)
	}
	if err := writeWhole(path, b.String()); err != nil {
		return fmt.Errorf("cannot write unit %q: %v; --print shows it", path, err)
	}
	ctl, ctlUser := "sudo systemctl", ""
	if u.User {
		ctl, ctlUser = "systemctl --user", ", and `loginctl enable-linger` keeps it running after logout"
	}
	fmt.Fprintf(out, "wrote %s: KillMode=process Delegate=yes OOMPolicy=continue TasksMax=infinity\n", path)
	fmt.Fprintf(out, "`%s enable --now mirrorosd` starts it%s\n", ctl, ctlUser)
	fmt.Fprintf(out, "`%s stop|restart mirrorosd` leaves the workloads running; `mirrorctl down` stops them\n", ctl)
	return nil
}

func (u *unit) path() (string, error) {
	if !u.User {
		return "/etc/systemd/system/mirrorosd.service", nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("cannot find the user's configuration directory: %v", err)
	}
	return filepath.Join(dir, "systemd/user/mirrorosd.service"), nil
}

// writeWhole writes a file so that nobody reads half of it.
func writeWhole(path, text string) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return nil
}

// unitQuote quotes one word of ExecStart=, by systemd.service(5): quotes and backslashes escaped, % and $ doubled.
func unitQuote(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(s)
	if strings.ContainsAny(s, " \t'\"\\;") {
		return `"` + s + `"`
	}
	return s
}
