package apiserver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/apiserver"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// fake is everything behind the routes that are no Kubernetes.
type fake struct {
	options  apiserver.LogOptions
	more     chan string // lines that come while following
	failing  error
	files    map[string]string
	plan     *plan.Plan
	faults   []specs.Fault
	digest   string
	prune    bool
	by       string
	confirm  time.Duration
	asked    string
	undo     specs.UndoRequest
	shutDown bool
	reloaded string
	info     func()
}

func (f *fake) Read(ctx context.Context, id string, o apiserver.LogOptions, line func([]byte) error) error {
	begin := o.Begin
	o.Begin = nil // functions cannot be compared
	f.options = o
	if id == "web-0" {
		begin(7)
	}
	if id == "broken-0" {
		return errors.New("secret")
	}
	if id != "web-0" {
		return fmt.Errorf("cannot read log %q: %w", id, fs.ErrNotExist)
	}
	if !o.Follow {
		for _, l := range []string{"one\n", "two\n"} {
			if err := line([]byte(l)); err != nil {
				return err
			}
		}
		return f.failing
	}
	for {
		select {
		case l, ok := <-f.more:
			if !ok {
				return f.failing
			}
			if err := line([]byte(l)); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *fake) Plan(_ context.Context, _ string, files map[string]string) (*plan.Plan, []specs.Fault, error) {
	f.files = files
	return f.plan, f.faults, f.failing
}

func (f *fake) Apply(_ context.Context, _, digest string, prune bool, by string, confirm time.Duration) (string, string, error) {
	f.digest, f.prune, f.by, f.confirm = digest, prune, by, confirm
	return "abc", "applied", f.failing
}

func (f *fake) Revisions(stack string) (specs.RevisionList, error) {
	return specs.RevisionList{Stack: stack, Items: []specs.KeptRevision{{Revision: specs.Revision{Number: 7}, Good: true}}}, f.failing
}

func (f *fake) Manifests(_, revision string) (specs.RevisionManifests, []specs.Fault, error) {
	f.asked = revision
	return specs.RevisionManifests{Stack: "home"}, f.faults, f.failing
}

func (f *fake) Differences(_, from, to string) (specs.RevisionDiff, []specs.Fault, error) {
	f.asked = from + " " + to
	return specs.RevisionDiff{Stack: "home"}, f.faults, f.failing
}

func (f *fake) Undo(_ context.Context, _ string, a specs.UndoRequest) (specs.Undone, []specs.Fault, error) {
	f.undo = a
	return specs.Undone{Message: "went back"}, f.faults, f.failing
}

func (f *fake) Retry(_ context.Context, _, by string) (string, string, error) {
	f.by = by
	return "abc", "tried again", f.failing
}

func (f *fake) Steer(_ context.Context, _ string, action specs.RolloutAction, by string) (string, []specs.Fault, error) {
	f.asked, f.by = string(action), by
	return "is paused", f.faults, f.failing
}

func (f *fake) Info(context.Context) apiserver.HostInfo {
	if f.info != nil {
		f.info()
	}
	return apiserver.HostInfo{Version: "1.2.3", PID: 42}
}

func (f *fake) Shutdown(context.Context) error { f.shutDown = true; return f.failing }

var _ = Describe("What only this operator has", func() {
	var a *api
	var f *fake
	BeforeEach(func() {
		f = &fake{more: make(chan string)}
		a = serve(GinkgoTB(), apiserver.Options{Logs: f, Stacks: f, Host: f, Reload: func(_ context.Context, name string) error {
			f.reloaded = name
			return f.failing
		}})
	})

	Context("logs", func() {
		It("are lines of text", func() {
			r := a.get(instances + "/web-0/log?tailLines=5&timestamps=true&previous=1&sinceTime=2026-01-02T03:04:05Z")
			Expect(r.code).To(Equal(200))
			Expect(r.header.Get("Content-Type")).To(HavePrefix("text/plain"))
			Expect(r.body).To(Equal("one\ntwo\n"))
			Expect(f.options).To(Equal(apiserver.LogOptions{Tail: 5, Timestamps: true, Previous: true, Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}))
		})

		It("are all there is by default", func() {
			r := a.get(instances + "/web-0/log")
			Expect(f.options).To(Equal(apiserver.LogOptions{Tail: -1}))
			Expect(r.header.Get(apiserver.LogPlace)).To(Equal("7"))
			Expect(a.get(instances + "/web-0/log?place=15").code).To(Equal(200))
			Expect(f.options).To(Equal(apiserver.LogOptions{Tail: -1, From: 15}))
			Expect(a.get(instances + "/web-0/log?place=x").code).To(Equal(400))
		})

		It("are followed as lines come, and the answer begins before the first", func() {
			res := a.open(context.Background(), "GET", instances+"/web-0/log?follow=true", "")
			defer res.Body.Close()
			Expect(res.StatusCode).To(Equal(200))
			lines := bufio.NewReader(res.Body)
			for _, l := range []string{"a\n", "b\n"} {
				f.more <- l
				Expect(lines.ReadString('\n')).To(Equal(l))
			}
			close(f.more)
			_, err := lines.ReadString('\n')
			Expect(err).To(MatchError("EOF"))
		})

		It("that cannot be read to the end are cut, so that the client knows", func() {
			res := a.open(context.Background(), "GET", instances+"/web-0/log?follow=true", "")
			defer res.Body.Close()
			f.failing = errors.New("disk")
			close(f.more)
			_, err := bufio.NewReader(res.Body).ReadString('\n')
			Expect(err).To(MatchError("unexpected EOF"))
		})

		DescribeTable("are refused", func(path string, code int, text string) {
			r := a.get(instances + path)
			Expect(r.code).To(Equal(code), r.body)
			Expect(r.status().Message).To(ContainSubstring(text))
			Expect(r.body).NotTo(ContainSubstring("secret"))
		},
			Entry("of what has none", "/db-0/log", 404, "db-0/log"),
			Entry("with a fault inside, which the client is not told", "/broken-0/log", 500, "log has the details"),
			Entry("with a wrong number", "/web-0/log?tailLines=-1", 400, "tailLines"),
			Entry("with a wrong time", "/web-0/log?sinceTime=today", 400, "sinceTime"),
			Entry("with a wrong duration", "/web-0/log?sinceSeconds=x", 400, "sinceSeconds"),
			Entry("with a wrong truth", "/web-0/log?follow=maybe", 400, "follow"),
		)
	})

	Context("plans", func() {
		It("are of what is on disk, or of the files sent", func() {
			f.plan = &plan.Plan{Stack: "home", Digest: "d", Steps: []plan.Step{{Change: plan.Create, Kind: "Process", Name: "web", Verb: plan.Start}}}
			r := a.do("POST", stacks+"/home/plan", "")
			Expect(r.code).To(Equal(200), r.body)
			Expect(r.at("steps/0/verb")).To(Equal("start"))
			Expect(f.files).To(BeNil())
			Expect(a.send("POST", stacks+"/home/plan", jsonType, `{"files":{"a.yaml":"x"}}`).code).To(Equal(200))
			Expect(f.files).To(Equal(map[string]string{"a.yaml": "x"}))
		})

		It("may be of many files", func() {
			f.plan = &plan.Plan{}
			r := a.send("POST", stacks+"/home/plan", jsonType, `{"files":{"a.yaml":"`+strings.Repeat("x", 5<<20)+`"}}`)
			Expect(r.code).To(Equal(200))
		})

		It("tell every fault with its place", func() {
			f.faults = []specs.Fault{{File: "a.yaml", Line: 7, Column: 3, Field: "spec.comand", Message: "unknown"}, {File: "b.yaml", Message: "too: long"}}
			s := a.do("POST", stacks+"/home/plan", "").status()
			Expect(s.Code).To(BeEquivalentTo(422))
			Expect(s.Details.Causes[0].Field).To(Equal("a.yaml:7:3  spec.comand"))
			Expect(s.Details.Causes[0].Message).To(Equal("unknown"))
			Expect(s.Details.Causes[1].Field).To(Equal("b.yaml"))
			Expect(s.Details.Causes[1].Message).To(Equal("too: long"))
		})
	})

	It("applies a plan that was agreed to", func() {
		r := a.send("POST", stacks+"/home/apply", jsonType, `{"plan":"d","prune":true,"confirmWithin":"2m"}`)
		Expect(f.confirm).To(Equal(2 * time.Minute))
		Expect(r.body).To(MatchJSON(`{"revision":"abc","message":"applied"}`))
		Expect(f.digest).To(Equal("d"))
		Expect(f.prune).To(BeTrue())
	})

	Context("revisions of a stack", func() {
		It("are listed, shown and compared by any name", func() {
			Expect(a.get(stacks + "/home/revisions").body).To(MatchJSON(`{"stack":"home","items":[{"number":7,"digest":"","good":true}]}`))
			Expect(a.get(stacks + "/home/revisions/last-good").code).To(Equal(200))
			Expect(f.asked).To(Equal("last-good"))
			Expect(a.get(stacks + "/home/revisions/41/diff/disk").code).To(Equal(200))
			Expect(f.asked).To(Equal("41 disk"))
			f.faults = []specs.Fault{{File: "a.yaml", Line: 7, Message: "unknown"}}
			Expect(a.get(stacks + "/home/revisions/41/diff/disk").code).To(Equal(422))
			Expect(a.get(stacks + "/home/revisions/disk").code).To(Equal(422))
		})

		It("are gone back to in the name of who asks, whatever the request says", func() {
			r := a.send("POST", stacks+"/home/undo", jsonType, `{"revision":"41","plan":"d","prune":true}`)
			Expect(r.at("message")).To(Equal("went back"))
			Expect(f.undo.By).NotTo(BeEmpty())
			f.undo.By = ""
			Expect(f.undo).To(Equal(specs.UndoRequest{Revision: "41", Plan: "d", Prune: true}))
			Expect(a.send("POST", stacks+"/home/undo", jsonType, `{"by":"root"}`).code).To(Equal(400))
			Expect(a.do("POST", stacks+"/home/retry", "").body).To(MatchJSON(`{"revision":"abc","message":"tried again"}`))
			Expect(f.by).NotTo(BeEmpty())
			Expect(a.do("POST", stacks+"/home/rollout/pause", "").body).To(MatchJSON(`{"message":"is paused"}`))
			Expect(f.asked).To(Equal("pause"))
			Expect(a.do("POST", stacks+"/home/rollout/promote", "").code).To(Equal(400))
		})
	})

	DescribeTable("errors from behind", func(failing error, path string, code int, text string) {
		f.failing = failing
		a.make("web", sleeps)
		r := a.do("POST", path, "")
		Expect(r.code).To(Equal(code), r.body)
		Expect(r.status().Message).To(ContainSubstring(text))
	},
		Entry("a plan that no longer fits", fmt.Errorf("the files have changed: %w", store.ErrConflict), stacks+"/home/apply", 409, "the files have changed"),
		Entry("a stack that is not", fmt.Errorf("stack: %w", store.ErrNotFound), stacks+"/home/plan", 404, `stacks.mirroros.dev "home" not found`),
		Entry("a full disk", fmt.Errorf("write: %w", syscall.ENOSPC), processes+"/web/reload", 507, "no room"),
		Entry("a closed store", store.ErrClosed, processes+"/web/reload", 503, "stopping"),
		Entry("a stack that cannot be applied", errors.New("its document cannot be read"), stacks+"/home/apply", 500, "its document cannot be read"),
		Entry("a process that cannot reload", errors.New("it has no reload"), processes+"/web/reload", 409, "it has no reload"),
		Entry("a wait that took too long", context.DeadlineExceeded, processes+"/web/reload", 504, "too long"),
	)

	It("reloads a process", func() {
		Expect(a.do("POST", processes+"/web/reload", "").code).To(Equal(404))
		a.make("web", sleeps)
		Expect(a.do("POST", processes+"/web/reload", "").code).To(Equal(200))
		Expect(f.reloaded).To(Equal("web"))
	})

	It("describes the host, and shuts it down", func() {
		Expect(a.get("/mirroros/host").at("version")).To(Equal("1.2.3"))
		Expect(a.do("POST", "/mirroros/shutdown", "").code).To(Equal(202))
		Expect(f.shutDown).To(BeTrue())
	})

	It("is not there without its other side", func() {
		b := serve(GinkgoTB(), apiserver.Options{})
		b.make("web", sleeps)
		for _, p := range []string{stacks + "/home/plan", stacks + "/home/apply", stacks + "/home/undo", stacks + "/home/retry", processes + "/web/reload", "/mirroros/shutdown"} {
			Expect(b.do("POST", p, "").code).To(Equal(404), p)
		}
		Expect(b.get("/mirroros/host").code).To(Equal(404))
		Expect(b.get(instances + "/web-0/log").code).To(Equal(404))
	})
})

var _ = Describe("Limits", func() {
	It("refuses a body that is too large", func() {
		a := serve(GinkgoTB(), apiserver.Options{})
		r := a.send("POST", processes, jsonType, `{"a":"`+strings.Repeat("x", 4<<20)+`"}`)
		Expect(r.code).To(Equal(413))
		Expect(r.status().Message).To(ContainSubstring("3145728"))
	})

	It("refuses patches that grow without end", func() {
		a := serve(GinkgoTB(), apiserver.Options{})
		a.make("web", sleeps)
		ops := make([]string, 40)
		for i := range ops {
			ops[i] = fmt.Sprintf(`{"op":"copy","from":"/spec","path":"/spec/x%d"}`, i)
		}
		r := a.send("PATCH", processes+"/web", jsonPatch, "["+strings.Join(ops, ",")+"]")
		Expect(r.code).To(Equal(422), r.body)
	})

	It("serves some requests at once, and asks others to come again", func() {
		enter, leave := make(chan bool), make(chan bool)
		f := &fake{info: func() { enter <- true; <-leave }}
		a := serve(GinkgoTB(), apiserver.Options{Host: f, MaxRequests: 1, MaxStreams: 1})
		first := make(chan response, 1)
		go func() { first <- a.get("/mirroros/host") }()
		<-enter
		r := a.get(processes)
		Expect(r.code).To(Equal(429))
		Expect(r.header.Get("Retry-After")).To(Equal("1"))
		a.watch(processes + "?watch=true")
		Expect(a.get(processes + "?watch=true").code).To(Equal(429))
		leave <- true
		Expect((<-first).code).To(Equal(200))
		Expect(a.get(processes).code).To(Equal(200))
	})

	It("survives a fault of its own, and tells nothing of it", func() {
		a := serve(GinkgoTB(), apiserver.Options{Host: &fake{info: func() { panic("secret") }}})
		r := a.get("/mirroros/host")
		Expect(r.code).To(Equal(500))
		Expect(r.body).NotTo(ContainSubstring("secret"))
		Expect(r.body).NotTo(ContainSubstring(".go"))
		Expect(a.get("/healthz").code).To(Equal(200))
	})
})
