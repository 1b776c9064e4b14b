package proxy_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
)

func TestTheContextOfARequestIsAContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		e := &proxy.Ending{}
		cause := errors.New("enough")
		child, cancel := context.WithTimeout(e, time.Hour)
		defer cancel()
		var called [6]atomic.Int32
		stops := []func() bool{}
		for i := range 5 {
			if i%2 == 0 {
				stops = append(stops, context.AfterFunc(e, func() { called[i].Add(1) }))
			} else {
				stops = append(stops, e.AfterFunc(func() { called[i].Add(1) }))
			}
		}
		g.Expect(e.Err()).To(Succeed())
		g.Expect(e.Done()).NotTo(BeClosed())
		g.Expect(stops[1]()).To(BeTrue())
		g.Expect(stops[1]()).To(BeFalse())
		g.Expect(stops[2]()).To(BeTrue())

		e.Cancel(cause)
		e.Cancel(errors.New("too late"))
		synctest.Wait()
		for i, want := range []int32{1, 0, 0, 1, 1} {
			g.Expect(called[i].Load()).To(Equal(want), "function %d", i)
		}
		g.Expect(stops[0]()).To(BeFalse())
		g.Expect(e.Done()).To(BeClosed())
		g.Expect([]error{e.Err(), context.Cause(e), context.Cause(child)}).To(HaveEach(Equal(cause)))
		e.AfterFunc(func() { called[5].Add(1) })
		synctest.Wait()
		g.Expect(called[5].Load()).To(BeEquivalentTo(1))

		over := &proxy.Ending{}
		over.Cancel(nil)
		g.Expect(over.Err()).To(Equal(context.Canceled))
		g.Expect(over.Done()).To(BeClosed())
	})
}
