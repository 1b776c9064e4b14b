package check

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestCheck(t *testing.T) {
	RegisterFailHandler(Fail)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "check", cfg, rep)
}
