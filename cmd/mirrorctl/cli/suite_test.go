package cli

import (
	"context"
	"flag"
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write what the verbs print into the transcripts")

// TestMain lets the scripts run mirrorctl in a process of its own, which is this binary, with a clock that stands still.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"mirrorctl": func() {
			c := &command{Streams: Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, version: "v0.1.0", now: func() time.Time { return testNow }}
			os.Exit(c.execute(context.Background(), os.Args[1:]))
		},
	})
}

func TestCLI(t *testing.T) {
	RegisterFailHandler(Fail)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "mirrorctl", cfg, rep)
}

// TestTranscripts runs each script of testdata against the real API over a store of its own. `-update` writes what is printed into them.
func TestTranscripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		Setup:               func(e *testscript.Env) error { return newFixture(t, e) },
		Cmds:                fixtureCommands,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
	})
}
