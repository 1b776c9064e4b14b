package specs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// template is what instances are made from. Its JSON is what TemplateHash digests: a field that is added must be left out when empty,
// and nothing here may be renamed or reordered, or every process on every host restarts with the next version of the operator.
type template struct {
	Version    string          `json:"version,omitempty"`
	Command    []string        `json:"command,omitempty"`
	Args       []string        `json:"args,omitempty"`
	WorkingDir string          `json:"workingDir,omitempty"`
	Env        []EnvVar        `json:"env,omitempty"`
	EnvFrom    []EnvFromSource `json:"envFrom,omitempty"`
	Ports      []ProcessPort   `json:"ports,omitempty"`
	User       string          `json:"user,omitempty"`
	Group      string          `json:"group,omitempty"`
	Principal  string          `json:"principal,omitempty"`
	Proxy      *ProcessProxy   `json:"proxy,omitempty"`
	Sandbox    *ProcessSandbox `json:"sandbox,omitempty"`
}

// templatePorts are the ports as an instance has them: what the gate holds before them changes nothing in it.
func templatePorts(ports []ProcessPort) []ProcessPort {
	out := slices.Clone(ports)
	for i := range out {
		out[i].ServicePort, out[i].AppProtocol = 0, ""
	}
	return out
}

// templateSandbox is the sandbox as an instance has it: what is the default, and what only says when to start, changes nothing in it.
func templateSandbox(b *ProcessSandbox) *ProcessSandbox {
	if b == nil || b.Level == SandboxNone {
		return nil
	}
	c := *b
	if c.Required = nil; c.Seccomp == SeccompDefault {
		c.Seccomp = ""
	}
	return &c
}

// TemplateHash names the template of a process: ten lower-case hexadecimal digits. workingDir is the resolved directory.
// Processes with equal templates have equal hashes, in every version of the operator.
func TemplateHash(p *Process, workingDir string) string {
	s := &p.Spec
	data, err := json.Marshal(template{s.Version, s.Command, s.Args, workingDir, s.Env, s.EnvFrom, templatePorts(s.Ports), s.User, s.Group,
		s.Principal, s.Proxy, templateSandbox(s.Sandbox)})
	if err != nil {
		panic(err) // strings and numbers only: there is nothing that JSON cannot hold
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:10]
}
