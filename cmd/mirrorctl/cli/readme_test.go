package cli

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/rogpeppe/go-internal/txtar"

	"mirroros.dev/mirroros/specs"
)

func readme() string {
	GinkgoHelper()
	b, err := os.ReadFile("../../../README.md")
	Expect(err).NotTo(HaveOccurred())
	return string(b)
}

var (
	inBackticks     = regexp.MustCompile("`([^`\n]+)`")
	betweenCommands = regexp.MustCompile(`[;&|]+`)
)

// shownCommands are the command lines of a program that a text shows: in indented blocks, after a prompt or without one, and in backticks.
func shownCommands(text, program string) (lines []string) {
	add := func(line string) {
		line, _, _ = strings.Cut(line, " #")
		for _, part := range betweenCommands.Split(line, -1) {
			part = strings.TrimPrefix(strings.TrimSpace(part), "$ ")
			if part, _, _ = strings.Cut(part, " > "); strings.HasPrefix(part, program+" ") {
				lines = append(lines, part)
			}
		}
	}
	for line := range strings.Lines(text) {
		if code, ok := strings.CutPrefix(line, "    "); ok {
			add(strings.TrimSpace(code))
			continue
		}
		for _, m := range inBackticks.FindAllStringSubmatch(line, -1) {
			add(m[1])
		}
	}
	return lines
}

// samples are the outputs that a text shows: what follows a prompt in an indented block, by its command.
func samples(text string) map[string]string {
	found, command := map[string]string{}, ""
	for line := range strings.Lines(text) {
		code, ok := strings.CutPrefix(line, "    ")
		prompt, isPrompt := strings.CutPrefix(code, "$ ")
		switch {
		case !ok:
			command = ""
		case isPrompt:
			command = strings.TrimSpace(prompt)
		case command != "":
			found[command] += code
		}
	}
	return found
}

var _ = Describe("README.md", func() {
	It("shows commands that there are, with flags that they have", func() {
		lines := shownCommands(readme(), "mirrorctl")
		Expect(len(lines)).To(BeNumerically(">", 8))
		for _, line := range lines {
			words, err := splitWords(line)
			Expect(err).NotTo(HaveOccurred(), line)
			root := (&command{Streams: Streams{Out: io.Discard, Err: io.Discard}, now: time.Now}).root()
			verb, rest, err := root.Find(words[1:])
			Expect(err).NotTo(HaveOccurred(), line)
			Expect(verb).NotTo(BeIdenticalTo(root), "%q: no such verb", line)
			if verb.DisableFlagParsing {
				continue
			}
			Expect(verb.ParseFlags(rest)).To(Succeed(), line)
			if verb.Args != nil {
				Expect(verb.Args(verb, verb.Flags().Args())).To(Succeed(), line)
			}
		}
	})

	It("shows outputs that the transcripts have, letter by letter", func() {
		scripts, err := filepath.Glob("testdata/*.txtar")
		Expect(err).NotTo(HaveOccurred())
		shown := samples(readme())
		Expect(shown).NotTo(BeEmpty())
		for cmd, output := range shown {
			Expect(slices.ContainsFunc(scripts, func(path string) bool {
				a, err := txtar.ParseFile(path)
				Expect(err).NotTo(HaveOccurred())
				return strings.Contains(string(a.Comment), cmd) && slices.ContainsFunc(a.Files, func(f txtar.File) bool { return string(f.Data) == output })
			})).To(BeTrue(), "no transcript of %q prints\n%s", cmd, output)
		}
	})

	It("shows a manifest that is taken as it is", func() {
		_, pre, _ := strings.Cut(readme(), "<pre>")
		pre, _, ok := strings.Cut(pre, "</pre>")
		Expect(ok).To(BeTrue())
		docs, faults := specs.Load("README.yaml", []byte(strings.ReplaceAll(pre, "<br>", "\n")+"\n"))
		Expect(faults).To(BeEmpty())
		Expect(docs).To(HaveLen(1))
	})
})
