package main

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestMirrorosd(t *testing.T) {
	RegisterFailHandler(Fail)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "mirrorosd", cfg, rep)
}
