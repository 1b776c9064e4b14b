//go:build !linux

package cli

import (
	"errors"

	"mirroros.dev/mirroros/controllers/process/sandbox"
)

var errNoSandbox = errors.New("there are no sandboxes: they need Linux")

func (c *command) probeSandbox(sandbox.Level, string, string) error { return errNoSandbox }

func (c *command) attack(string) error { return errNoSandbox }
