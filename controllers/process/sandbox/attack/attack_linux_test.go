package attack_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/sandbox"
	"mirroros.dev/mirroros/controllers/process/sandbox/attack"
)

// TestMain lets this binary be the attacker, and the operator of another user.
func TestMain(m *testing.M) {
	var answer any
	switch os.Getenv("ATTACK") {
	case "":
		os.Exit(m.Run())
	case "try":
		var t attack.Target
		if err := json.Unmarshal([]byte(os.Args[len(os.Args)-1]), &t); err != nil {
			panic(err)
		}
		answer = attack.Try(&t)
	case "operate":
		all, err := operate(os.Args[len(os.Args)-1], nil)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		answer = all
	}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		panic(err)
	}
	os.Exit(0)
}

func TestAttack(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "attack")
}

// attacked is what was tried at one level.
type attacked struct {
	Results []attack.Result
	Missing []string
}

// operate attacks at each level.
func operate(guard string, user *syscall.Credential) (map[sandbox.Level]attacked, error) {
	self := selfPath
	if self == "" { // this is the operator of another user, and a copy already
		self = os.Args[0]
	}
	s, err := attack.Open(attack.Options{Guard: guard, Self: []string{self}, Env: []string{"ATTACK=try"}, User: user})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	all := map[sandbox.Level]attacked{}
	for l := sandbox.None; l <= sandbox.Isolated; l++ {
		results, missing, err := s.Attack(l)
		if err != nil {
			return nil, err
		}
		all[l] = attacked{results, missing}
	}
	return all, nil
}

// another operates as an ordinary user.
func another(guard string) (map[sandbox.Level]attacked, error) {
	cmd := exec.Command(selfPath, guard)
	cmd.Env = []string{"ATTACK=operate", "PATH=/usr/bin:/bin", "TMPDIR=/tmp"}
	cmd.Stderr = GinkgoWriter
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: ordinary()}
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var all map[sandbox.Level]attacked
	return all, json.Unmarshal(out, &all)
}

// ordinary is the user to become; nil when the tests are run by one.
func ordinary() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: true}
}

// guardPath and selfPath are programs that every user can execute.
var guardPath, selfPath string

var _ = BeforeSuite(func() {
	dir, err := os.MkdirTemp("", "attack")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, dir)
	Expect(os.Chmod(dir, 0o755)).To(Succeed())
	guardPath = filepath.Join(dir, "mirrorguard")
	selfPath = filepath.Join(dir, "attack.test")
	self, err := os.Executable()
	Expect(err).NotTo(HaveOccurred())
	data, err := os.ReadFile(self)
	Expect(err).NotTo(HaveOccurred())
	Expect(os.WriteFile(selfPath, data, 0o755)).To(Succeed())
	cmd := exec.Command("go", "build", "-o", guardPath, "mirroros.dev/mirroros/cmd/mirrorguard")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
})

var _ = DescribeTable("what a level claims to block is blocked, and what it says it does not is not", func(who string) {
	var all map[sandbox.Level]attacked
	var err error
	switch who {
	case "the operator's user":
		all, err = operate(guardPath, nil)
	case "another user":
		all, err = operate(guardPath, ordinary())
	default:
		all, err = another(guardPath)
	}
	Expect(err).NotTo(HaveOccurred())
	for level, at := range all {
		for _, r := range at.Results {
			GinkgoWriter.Println(level, r.Name, r.Open, r.Why)
		}
		Expect(at.Results).To(HaveLen(len(attack.Attempts())))
		if len(at.Missing) > 0 {
			GinkgoWriter.Println(level, "is not whole here:", at.Missing)
			continue
		}
		for i, r := range at.Results {
			switch possible := all[sandbox.None].Results[i].Open; {
			case level >= r.From:
				Expect(r.Open).To(BeFalse(), "%s as %s at %s", r.Name, who, level)
			case possible:
				Expect(r.Open).To(BeTrue(), "%s as %s at %s: %s; then say that it is blocked", r.Name, who, level, r.Why)
			}
		}
	}
},
	Entry("as the operator", "the operator's user"),
	Entry("as another user than the operator's", "another user"),
	Entry("as the operator when that is an ordinary user", "ordinary"),
)
