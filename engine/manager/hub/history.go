package hub

import (
	"container/heap"
	"sync/atomic"

	"perigee/engine/broker/outbox"
)

// Limits of the history of one topic, besides the number of messages that its options give.
const (
	maxHistoryBytes = 1 << 20
	// frameOverhead is how many bytes a kept message takes besides its text.
	frameOverhead = 128
)

// history has the latest messages of a topic.
type history struct {
	topic  *Topic
	keep   int             // the maximum number of frames
	frames []*outbox.Frame // oldest first
	bytes  int
	index  int // in histories.largest; -1 if it is empty
}

// histories are the messages that all topics keep.
type histories struct {
	largest historyHeap
	bytes   atomic.Int64 // written by the loop
}

func historySize(f *outbox.Frame) int { return len(f.Payload()) + frameOverhead }

// keepHistory sets how many messages a topic keeps from now on. 0 drops all of them.
func (t *Topic) keepHistory(n int) {
	if t.history == nil && n > 0 {
		t.history = &history{topic: t, index: -1}
	}
	if h := t.history; h != nil {
		h.keep = n
		t.hub.dropHistory(h, len(h.frames)-n)
		if n == 0 {
			t.history = nil
		}
	}
}

// remember adds a message to a history, which drops its oldest ones if it has too many.
func (h *Hub) remember(of *history, f *outbox.Frame) {
	of.frames = append(of.frames, f)
	h.resizeHistory(of, of.bytes+historySize(f))
	for len(of.frames) > of.keep || of.bytes > maxHistoryBytes {
		h.dropHistory(of, 1)
	}
	h.limitHistories()
}

// dropHistory drops the n oldest messages of a history.
func (h *Hub) dropHistory(of *history, n int) {
	if n <= 0 {
		return
	}
	bytes := of.bytes
	for _, f := range of.frames[:n] {
		bytes -= historySize(f)
	}
	clear(of.frames[:n])
	of.frames = of.frames[n:]
	h.resizeHistory(of, bytes)
}

// resizeHistory sets the size of a history and keeps the sum and the order of all.
func (h *Hub) resizeHistory(of *history, bytes int) {
	all := &h.topics.histories
	all.bytes.Add(int64(bytes - of.bytes))
	of.bytes = bytes
	switch {
	case of.index < 0 && bytes > 0:
		heap.Push(&all.largest, of)
	case of.index >= 0 && bytes == 0:
		heap.Remove(&all.largest, of.index)
	case of.index >= 0:
		heap.Fix(&all.largest, of.index)
	}
}

// limitHistories has the largest history drop its older half, until all have no more bytes than limits.history_memory.
func (h *Hub) limitHistories() {
	all, limit := &h.topics.histories, h.options.Limits.HistoryMemory
	for limit > 0 && all.bytes.Load() > int64(limit) {
		largest := all.largest[0]
		h.refusals.Log("limits.history_memory", limit, "topic", largest.topic.name)
		h.dropHistory(largest, (len(largest.frames)+1)/2)
	}
}

// HistoryBytes returns how many bytes the histories of all topics take. It may be called by any goroutine.
func (h *Hub) HistoryBytes() int64 { return h.topics.histories.bytes.Load() }

// History implements bind.Topic.
func (t *Topic) History() [][]byte {
	if t.history == nil {
		return nil
	}
	texts := make([][]byte, len(t.history.frames))
	for i, f := range t.history.frames {
		texts[i] = f.Payload()
	}
	return texts
}

// historyHeap has the histories with messages, the largest first.
type historyHeap []*history

func (list historyHeap) Len() int           { return len(list) }
func (list historyHeap) Less(i, j int) bool { return list[i].bytes > list[j].bytes }

func (list historyHeap) Swap(i, j int) {
	list[i], list[j] = list[j], list[i]
	list[i].index, list[j].index = i, j
}

// Push is called by package heap, as is Pop.
func (list *historyHeap) Push(of any) {
	added := of.(*history)
	added.index = len(*list)
	*list = append(*list, added)
}

func (list *historyHeap) Pop() any {
	last := len(*list) - 1
	removed := (*list)[last]
	(*list)[last], removed.index = nil, -1
	*list = (*list)[:last]
	return removed
}
