// Package rules keeps the rules of the layout, so that nobody has to remember them. It holds tests only: they read the tree's own
// source, and need no program to be built. A new rule is a function in rules_test.go, a line in its table, and a breach of it.
package rules_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestRules(t *testing.T) {
	RegisterFailHandler(Fail)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "rules", cfg, rep)
}
