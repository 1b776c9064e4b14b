package process

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

var _ = Describe("files", func() {
	var dir string
	var told chan string
	var f *files
	BeforeEach(func() {
		dir, told = GinkgoT().TempDir(), make(chan string, 100)
		f = newFiles(logr.Discard(), func(p string) { told <- p })
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = f.run(ctx) }()
		DeferCleanup(func() { cancel(); <-done })
		Eventually(func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.watcher != nil
		}).Should(BeTrue())
	})
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		Expect(os.WriteFile(path+".new", []byte(text), 0o644)).To(Succeed())
		Expect(os.Rename(path+".new", path)).To(Succeed())
		return path
	}

	It("tells the processes of a file that changed, and has its new digest then", func() {
		path := write("a.conf", "one")
		f.watch("web", nil, []string{path})
		first := f.digest(path)
		write("a.conf", "two")
		Eventually(told).Should(Receive(Equal("web")))
		Expect(f.digest(path)).NotTo(Equal(first))
		write("a.conf", "one")
		Eventually(told).Should(Receive(Equal("web")))
		Expect(f.digest(path)).To(Equal(first))
	})

	It("sees what a symbolic link leads to change", func() {
		real := filepath.Join(GinkgoT().TempDir(), "real.conf")
		Expect(os.WriteFile(real, []byte("one"), 0o644)).To(Succeed())
		link := filepath.Join(dir, "link.conf")
		Expect(os.Symlink(real, link)).To(Succeed())
		f.watch("web", nil, []string{link})
		first := f.digest(link)
		Expect(os.WriteFile(real, []byte("two"), 0o644)).To(Succeed())
		Eventually(told).Should(Receive(Equal("web")))
		Expect(f.digest(link)).NotTo(Equal(first))
	})

	It("tells a file that comes", func() {
		path := filepath.Join(dir, "later")
		f.watch("web", nil, []string{path})
		Expect(f.digest(path)).To(Equal(noFile))
		write("later", "here")
		Eventually(func() string { return f.digest(path) }).ShouldNot(Equal(noFile))
	})

	It("says nothing of what nobody needs any more", func() {
		path, other := write("a.conf", "one"), write("b.conf", "one")
		f.watch("web", nil, []string{path})
		f.watch("web", []string{path}, []string{other})
		was := f.digest(other)
		write("a.conf", "two")
		write("b.conf", "two")
		Eventually(func() string { return f.digest(other) }).ShouldNot(Equal(was))
		Expect(f.dirs).To(HaveLen(1))
		Expect(f.users).To(HaveLen(1))
	})
})

var _ = Describe("config files and executables", func() {
	var w *world
	var conf, exe string
	BeforeEach(func() {
		w = newWorld(GinkgoTB())
		conf, exe = filepath.Join(w.dir, "a.conf"), filepath.Join(w.dir, "run")
		Expect(os.WriteFile(conf, []byte("one"), 0o644)).To(Succeed())
		Expect(os.WriteFile(exe, []byte("#!/bin/sh\n"), 0o755)).To(Succeed())
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = w.r.digests.run(ctx) }()
		DeferCleanup(func() { cancel(); <-done })
	})
	// touch rewrites a file and has the watcher's word taken for said.
	touch := func(path, text string) {
		Expect(os.WriteFile(path, []byte(text), 0o755)).To(Succeed())
		w.r.files.mu.Lock()
		delete(w.r.files.known, path)
		delete(w.r.files.ids, path)
		w.r.files.mu.Unlock()
		w.add("web")
	}
	put := func(change func(*specs.Process)) {
		w.put(proc("web", func(p *specs.Process) {
			p.Spec.Command = []string{exe}
			p.Spec.ConfigFiles = []specs.ConfigFile{{Path: conf}}
			if change != nil {
				change(p)
			}
		}))
		w.wait(30 * time.Second)
		w.rt.takeLog()
	}

	It("restarts in place when a config file changed, once, and does not count it as a crash", func() {
		put(nil)
		touch(conf, "two")
		w.wait(30 * time.Second)
		Expect(verbs(w.rt.takeLog())).To(Equal([]string{"stop web/0", "start web/0"}))
		w.restartOperator()
		w.wait(30 * time.Second)
		Expect(w.rt.takeLog()).To(BeEmpty())
		Expect(decodeNote(w.rt.List()[0].Note).Streak).To(BeZero())
	})

	It("sends the reload signal instead when that is declared", func() {
		put(func(p *specs.Process) {
			p.Spec.ConfigFiles[0].OnChange = specs.ConfigChangeReload
			p.Spec.Reload = &specs.Reload{Signal: "SIGHUP"}
		})
		touch(conf, "two")
		w.wait(30 * time.Second)
		Expect(verbs(w.rt.takeLog())).To(Equal([]string{"signal 1 web/0"}))
		w.restartOperator()
		w.wait(30 * time.Second)
		Expect(w.rt.takeLog()).To(BeEmpty(), "it has read that already")
		touch(conf, "one") // back to what it was at the start
		w.wait(30 * time.Second)
		Expect(verbs(w.rt.takeLog())).To(Equal([]string{"signal 1 web/0"}))
		w.apply(map[string]*specs.Process{"web": nil})
		w.wait(30 * time.Second)
		w.client.Store().Blobs(configBucket, func(string, []byte) bool { Fail("it is still kept what was read"); return false })
	})

	It("has the digest of the program, and a condition when the file is another", func() {
		put(nil)
		Eventually(func() string {
			w.add("web")
			w.drain()
			return w.instances("web")[0].Status.Executable.Digest
		}).Should(HavePrefix("sha256:"))
		touch(exe, "#!/bin/sh\necho other\n")
		Eventually(func() []string {
			w.add("web")
			w.drain()
			var out []string
			for _, c := range w.process("web").Status.Conditions {
				out = append(out, c.Type)
			}
			return out
		}).Should(ContainElement(specs.ConditionExecutableChanged))
		Expect(w.rt.takeLog()).To(BeEmpty())
		w.edit("web", func(p *specs.Process) { p.Spec.OnExecutableChange = specs.ExecutableChangeRestart })
		w.wait(30 * time.Second)
		Expect(verbs(w.rt.takeLog())).To(Equal([]string{"stop web/0", "start web/0"}))
	})
})
