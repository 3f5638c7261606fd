// Package history owns the latest messages of topics, and limits the memory of all of them together. It must not know topics.
//
// Everything in it belongs to the loop, except Histories.Bytes.
package history

import (
	"sync/atomic"

	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/logging"
	"perigee/engine/priority"
)

// Limits of the history of one topic, besides the number of messages that its options give.
const (
	maxBytes = 1 << 20
	// frameOverhead is how many bytes a kept message takes besides its text.
	frameOverhead = 128
)

// Histories are the histories of all topics.
type Histories struct {
	refusals *logging.Refusals
	limit    config.Size             // of all together
	largest  priority.Heap[*History] // those with messages
	bytes    atomic.Int64            // written by the loop
}

// History has the latest messages of a topic.
type History struct {
	all    *Histories
	topic  string
	limit  int             // the maximum number of frames
	frames []*outbox.Frame // oldest first
	bytes  int
	index  int // in Histories.largest; -1 if it is empty
}

// Before implements priority.Item: the largest history is the first.
func (h *History) Before(other *History) bool { return h.bytes > other.bytes }

// Place implements priority.Item.
func (h *History) Place() *int { return &h.index }

// New returns an empty set of histories. All together take at most limit bytes; 0 means any number.
func New(limit config.Size, r *logging.Refusals) *Histories {
	return &Histories{limit: limit, refusals: r}
}

// SetLimit changes the limit, which counts from the next message on.
func (all *Histories) SetLimit(limit config.Size) { all.limit = limit }

// Bytes returns how many bytes all histories take. Any goroutine may call it.
func (all *Histories) Bytes() int64 { return all.bytes.Load() }

// Start returns an empty history of a topic. It keeps no message before SetLimit.
func (all *Histories) Start(topic string) *History {
	return &History{all: all, topic: topic, index: -1}
}

// Limit returns how many messages the history keeps at most.
func (h *History) Limit() int { return h.limit }

// SetLimit sets how many messages the history keeps from now on. 0 drops all of them.
func (h *History) SetLimit(n int) {
	h.limit = n
	h.drop(len(h.frames) - n)
}

// Frames returns the messages, oldest first. The slice is the caller's.
func (h *History) Frames() []*outbox.Frame { return append([]*outbox.Frame(nil), h.frames...) }

// Add adds a message, and drops the oldest ones if there are too many.
func (h *History) Add(f *outbox.Frame) {
	h.frames = append(h.frames, f)
	h.resize(h.bytes + size(f))
	for len(h.frames) > h.limit || h.bytes > maxBytes {
		h.drop(1)
	}
	h.all.enforceLimit()
}

func size(f *outbox.Frame) int { return len(f.Payload()) + frameOverhead }

// drop drops the n oldest messages.
func (h *History) drop(n int) {
	if n <= 0 {
		return
	}
	bytes := h.bytes
	for _, f := range h.frames[:n] {
		bytes -= size(f)
	}
	clear(h.frames[:n])
	h.frames = h.frames[n:]
	h.resize(bytes)
}

// resize sets the size of a history and keeps the sum and the order of all.
func (h *History) resize(bytes int) {
	all := h.all
	all.bytes.Add(int64(bytes - h.bytes))
	h.bytes = bytes
	switch {
	case h.index < 0 && bytes > 0:
		all.largest.Push(h)
	case h.index >= 0 && bytes == 0:
		all.largest.Remove(h)
	case h.index >= 0:
		all.largest.Fix(h)
	}
}

// enforceLimit has the largest history drop its older half, until all have no more bytes than limits.history_memory.
func (all *Histories) enforceLimit() {
	for all.limit > 0 && all.bytes.Load() > int64(all.limit) {
		largest := all.largest[0]
		all.refusals.Log("limits.history_memory", all.limit, "topic", largest.topic)
		largest.drop((len(largest.frames) + 1) / 2)
	}
}
