package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"
	"time"
)

// unsafeUnit tells when the service manager would kill the workloads together with the operator: under systemd, without KillMode=process
// or Delegate=yes. It asks systemd, and says nothing where there is none.
func unsafeUnit() []string {
	if os.Getenv("INVOCATION_ID") == "" {
		return nil
	}
	unit, user := ownUnit()
	if unit == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	args := []string{"show", "--property=KillMode,Delegate", unit}
	if user {
		args = append([]string{"--user"}, args...)
	}
	out, err := exec.CommandContext(ctx, "systemctl", args...).Output()
	if err != nil {
		return nil
	}
	var bad []string
	for _, want := range []string{"KillMode=process", "Delegate=yes"} {
		if !strings.Contains(string(out), want+"\n") {
			bad = append(bad, want)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("unit %s lacks %s: stopping it would kill the workloads; `mirrorosd install` writes a safe one", unit, strings.Join(bad, " and "))}
}

// ownUnit is the service that this process is in, if any.
func ownUnit() (unit string, user bool) {
	cgroups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", false
	}
	return unitOf(string(cgroups))
}

// inService tells whether a service manager looks after this process.
func inService() bool {
	unit, _ := ownUnit()
	return unit != ""
}

// unitOf finds the service that this process is in, by the last element of its cgroup that names one.
func unitOf(cgroups string) (unit string, user bool) {
	for line := range strings.Lines(cgroups) {
		_, p, ok := strings.Cut(strings.TrimSpace(line), "::")
		if !ok {
			continue
		}
		for ; p != "/" && p != "."; p = path.Dir(p) {
			if strings.HasSuffix(p, ".service") {
				return path.Base(p), strings.Contains(path.Dir(p), "user@")
			}
		}
	}
	return "", false
}
