package strict_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestStrict(t *testing.T) {
	RegisterFailHandler(Fail)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "strict", cfg, rep)
}
