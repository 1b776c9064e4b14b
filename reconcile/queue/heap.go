package queue

// readyHeap orders items by priority, then by age.
type readyHeap[K comparable] []*item[K]

func (h readyHeap[K]) Len() int { return len(h) }
func (h readyHeap[K]) Less(i, j int) bool {
	if h[i].priority != h[j].priority {
		return h[i].priority > h[j].priority
	}
	return h[i].seq < h[j].seq
}
func (h readyHeap[K]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}
func (h *readyHeap[K]) Push(x any) {
	it := x.(*item[K])
	it.place = len(*h)
	*h = append(*h, it)
}
func (h *readyHeap[K]) Pop() any {
	n := len(*h) - 1
	it := (*h)[n]
	(*h)[n] = nil
	*h = (*h)[:n]
	return it
}

// laterHeap orders items by time.
type laterHeap[K comparable] []*item[K]

func (h laterHeap[K]) Len() int           { return len(h) }
func (h laterHeap[K]) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h laterHeap[K]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *laterHeap[K]) Push(x any) {
	it := x.(*item[K])
	it.index = len(*h)
	*h = append(*h, it)
}
func (h *laterHeap[K]) Pop() any {
	n := len(*h) - 1
	it := (*h)[n]
	(*h)[n] = nil
	*h = (*h)[:n]
	return it
}
