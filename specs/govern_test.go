package specs_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

var _ = DescribeTable("Matcher",
	func(pattern, rel string, dir, want bool) {
		Expect(specs.NewMatcher(strings.Split(pattern, ",")).Match(rel, dir)).To(Equal(want))
	},
	Entry("a name matches at any depth", "docker-compose*.yml", "x/docker-compose.dev.yml", false, true),
	Entry("a star stays within a name", "/x/*.yml", "x/y/a.yml", false, false),
	Entry("a leading slash ties to the directory", "/a.yaml", "x/a.yaml", false, false),
	Entry("a slash within ties too", "x/a.yaml", "y/x/a.yaml", false, false),
	Entry("two stars are any directories", "litellm/**", "litellm/x/a.yaml", false, true),
	Entry("but not the directory itself", "litellm/**", "litellm", true, false),
	Entry("two stars in front", "**/test/a.yaml", "x/y/test/a.yaml", false, true),
	Entry("two stars between", "a/**/b", "a/b", false, true),
	Entry("a trailing slash is for directories", "vendor/", "vendor", false, false),
	Entry("and for all below them", "vendor/", "x/vendor/a.yaml", false, true),
	Entry("a later pattern brings back", "*.yaml,!a.yaml", "x/a.yaml", false, false),
	Entry("a comment excludes nothing", "# x", "# x", false, false),
	Entry("the root is never excluded", "*", ".", true, false),
)

var _ = DescribeTable("Governors.Owner",
	func(rel, stack string) {
		g := specs.Governors{"x": {Stack: "ex", Dir: "x"}, "x/y": {Stack: "why", Dir: "x/y"}}
		got, _ := g.Owner(rel)
		Expect(got).To(Equal(stack))
	},
	Entry("nobody's is the default's", "a.yaml", "default"),
	Entry("the nearest owns", "x/y/z/a.yaml", "why"),
	Entry("above it the next", "x/z/a.yaml", "ex"),
	Entry("a name is no directory", "xx/a.yaml", "default"),
)
