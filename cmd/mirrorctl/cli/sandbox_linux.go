package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"mirroros.dev/mirroros/controllers/process/sandbox"
	"mirroros.dev/mirroros/controllers/process/sandbox/attack"
)

// probed is how one attempt went, as it is printed.
type probed struct {
	Attempt string `json:"attempt"`
	Open    bool   `json:"open"`
	Why     string `json:"why,omitempty"`
	// Claimed: the level says that it is blocked.
	Claimed bool `json:"claimed"`
}

func (c *command) probeSandbox(level sandbox.Level, guard, output string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if guard == "" {
		guard = filepath.Join(filepath.Dir(self), "mirrorguard")
		if _, err := os.Stat(guard); err != nil {
			if guard, err = exec.LookPath("mirrorguard"); err != nil {
				return fmt.Errorf("cannot find mirrorguard beside %s or in the PATH: give it with --guard", self)
			}
		}
	}
	stage, err := attack.Open(attack.Options{Guard: guard, Self: []string{self, "sandbox", "attack"}})
	if err != nil {
		return err
	}
	defer stage.Close()
	results, missing, err := stage.Attack(level)
	if err != nil {
		return err
	}
	all, broken := make([]probed, len(results)), 0
	for i, r := range results {
		all[i] = probed{r.Name, r.Open, r.Why, level >= r.From}
		if r.Open && all[i].Claimed {
			broken++
		}
	}
	if output != "" {
		if err := printObject(c.Out, output, map[string]any{"level": level.String(), "missing": missing, "items": all}); err != nil {
			return err
		}
	} else {
		c.printProbed(all)
		for _, m := range missing {
			fmt.Fprintln(c.Err, "not all of the level can be had here: "+m)
		}
	}
	if broken > 0 {
		return &exitError{exitFalse, fmt.Sprintf("%s open that level %s says it blocks", count(broken, "attempt"), level)}
	}
	return nil
}

func (c *command) printProbed(all []probed) {
	var rows [][]string
	for _, p := range all {
		state := "blocked"
		switch {
		case p.Open && p.Claimed:
			state = "OPEN, and the level says it blocks it"
		case p.Open:
			state = "open"
		}
		rows = append(rows, []string{p.Attempt, state, p.Why})
	}
	columns(c.Out, []string{"ATTEMPT", "STATE", "ANSWER"}, rows)
}

// attack tries everything and writes what came of it for who started it.
func (c *command) attack(target string) error {
	var t attack.Target
	if err := json.Unmarshal([]byte(target), &t); err != nil {
		return usageError("%q is no target: %v", target, err)
	}
	return json.NewEncoder(c.Out).Encode(attack.Try(&t))
}
