package expr_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestExpr(t *testing.T) {
	RegisterFailHandler(Fail)
	suite, report := GinkgoConfiguration()
	suite.RandomizeAllSpecs = true
	RunSpecs(t, "expr", suite, report)
}
