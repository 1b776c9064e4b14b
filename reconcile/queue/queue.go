package queue

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// Options of New. The zero value is usable.
type Options struct {
	// Backoff is the wait before the first retry of a key; it doubles with each failure. Default 50ms.
	Backoff time.Duration
	// MaxBackoff bounds it. Default 1 minute.
	MaxBackoff time.Duration
}

// Queue of keys. All methods may be called from any goroutine; only Get blocks.
type Queue[K comparable] struct {
	o Options

	mu     sync.Mutex // guards everything below
	cond   *sync.Cond
	items  map[K]*item[K]
	ready  readyHeap[K]
	later  laterHeap[K]
	seq    uint64
	closed bool
	timer  *time.Timer // runs while later is not empty
	fires  time.Time   // when it does
}

// item is what the queue knows of one key. It is forgotten when it says nothing any more.
type item[K comparable] struct {
	key K
	// queued: in ready, or (processing) to be put there by Done.
	queued, processing bool
	priority           Priority
	seq                uint64
	place              int // in ready
	// at is when to add it again, with latePriority; zero for never. index is its place in later.
	at           time.Time
	latePriority Priority
	index        int
	failures     int
}

// New makes an empty queue.
func New[K comparable](o Options) *Queue[K] {
	if o.Backoff <= 0 {
		o.Backoff = 50 * time.Millisecond
	}
	if o.MaxBackoff <= 0 {
		o.MaxBackoff = time.Minute
	}
	q := &Queue[K]{o: o, items: map[K]*item[K]{}}
	q.cond = sync.NewCond(&q.mu)
	return q
}

// Add makes k ready.
func (q *Queue[K]) Add(k K, p Priority) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.add(q.item(k), p)
	}
}

// AddAfter makes k ready after d, or at once when d is not positive.
func (q *Queue[K]) AddAfter(k K, d time.Duration, p Priority) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.addAfter(k, d, p)
}

// AddRateLimited makes k ready after its backoff, which doubles until Forget.
func (q *Queue[K]) AddRateLimited(k K, p Priority) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	it := q.item(k)
	d := q.o.Backoff
	for range it.failures {
		if d *= 2; d >= q.o.MaxBackoff {
			break
		}
	}
	it.failures++
	q.addAfter(k, min(d, q.o.MaxBackoff), p)
}

// Forget makes the next backoff of k the first one again. It takes nothing out of the queue.
func (q *Queue[K]) Forget(k K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if it := q.items[k]; it != nil {
		it.failures = 0
		q.drop(it)
	}
}

// Failures is how often k was rate limited since it was last forgotten.
func (q *Queue[K]) Failures(k K) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if it := q.items[k]; it != nil {
		return it.failures
	}
	return 0
}

// Len counts the keys that are ready and not handed out.
func (q *Queue[K]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ready)
}

// Get waits for a key and hands it out with its priority; Done must follow. ok is false when ctx ended or the queue was closed.
func (q *Queue[K]) Get(ctx context.Context) (k K, p Priority, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ready) == 0 && !q.closed {
		stop := context.AfterFunc(ctx, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.cond.Broadcast()
		})
		defer stop()
	}
	for len(q.ready) == 0 && !q.closed && ctx.Err() == nil {
		q.cond.Wait()
	}
	if q.closed || ctx.Err() != nil {
		if len(q.ready) > 0 {
			q.cond.Signal() // what woke this one is for another
		}
		return k, 0, false
	}
	it := heap.Pop(&q.ready).(*item[K])
	it.queued, it.processing = false, true
	return it.key, it.priority, true
}

// Done gives k back; it is ready again when it was added since Get.
func (q *Queue[K]) Done(k K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	it := q.items[k]
	if it == nil || !it.processing {
		return
	}
	it.processing = false
	if it.queued {
		q.push(it)
	}
	q.drop(it)
}

// Close ends every Get and stops the timer. Keys added later are not taken.
func (q *Queue[K]) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if q.timer != nil {
		q.timer.Stop()
	}
	q.cond.Broadcast()
}

func (q *Queue[K]) item(k K) *item[K] {
	it := q.items[k]
	if it == nil {
		it = &item[K]{key: k}
		q.items[k] = it
	}
	return it
}

// drop forgets an item that says nothing.
func (q *Queue[K]) drop(it *item[K]) {
	if !it.queued && !it.processing && it.at.IsZero() && it.failures == 0 {
		delete(q.items, it.key)
	}
}

func (q *Queue[K]) add(it *item[K], p Priority) {
	switch {
	case !it.queued:
		it.queued, it.priority = true, p
		if !it.processing {
			q.push(it)
		}
	case p > it.priority:
		it.priority = p
		if !it.processing {
			heap.Fix(&q.ready, it.place)
		}
	}
}

func (q *Queue[K]) push(it *item[K]) {
	q.seq++
	it.seq = q.seq
	heap.Push(&q.ready, it)
	q.cond.Signal()
}

func (q *Queue[K]) addAfter(k K, d time.Duration, p Priority) {
	if q.closed {
		return
	}
	it := q.item(k)
	if d <= 0 {
		q.add(it, p)
		return
	}
	at := time.Now().Add(d)
	if it.at.IsZero() {
		it.at, it.latePriority = at, p
		heap.Push(&q.later, it)
	} else {
		it.latePriority = max(it.latePriority, p)
		if at.Before(it.at) {
			it.at = at
			heap.Fix(&q.later, it.index)
		}
	}
	q.arm()
}

// arm sets the timer to the first of later.
func (q *Queue[K]) arm() {
	if len(q.later) == 0 {
		return
	}
	at := q.later[0].at
	switch {
	case q.timer == nil:
		q.timer = time.AfterFunc(time.Until(at), q.due)
	case !q.fires.Equal(at):
		q.timer.Reset(time.Until(at))
	}
	q.fires = at
}

// due makes ready what has waited long enough.
func (q *Queue[K]) due() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.fires = time.Time{}
	now := time.Now()
	for len(q.later) > 0 && !q.later[0].at.After(now) {
		it := heap.Pop(&q.later).(*item[K])
		it.at = time.Time{}
		q.add(it, it.latePriority)
	}
	q.arm()
}
