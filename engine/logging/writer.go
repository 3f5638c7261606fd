// Package logging owns the limits of the log: a queue, so that a slow reader of the log does not delay the server, and limits
// for long values and for repeated lines. It must not know levels or formats: those are log/slog's.
package logging

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Limits of the queue. Both are more than a busy server logs in a second, and small in comparison with the send queues of its
// clients.
const (
	maxLines = 8192
	maxBytes = 4 << 20
)

// Writer writes lines from a goroutine of its own, in the order in which they came. While the writing blocks, lines are
// queued. Lines that exceed the queue are dropped; a line in their place says how many. It is safe for concurrent use.
type Writer struct {
	to   io.Writer     // used by Run
	done chan struct{} // closed by Run

	mu sync.Mutex
	// Guarded by mu.
	changed *sync.Cond // signalled when there is something to write, or w is closed
	queue   []entry
	bytes   int // of queue
	dropped int // since the last entry of queue
	notice  func(dropped int) []byte
	closed  bool
}

// entry is a text that is written at once.
type entry struct {
	text    []byte
	dropped int // how many lines were dropped before it
}

// New returns a Writer that queues lines until Run is called.
func New(to io.Writer) *Writer {
	w := &Writer{to: to, done: make(chan struct{})}
	w.changed = sync.NewCond(&w.mu)
	w.notice = func(dropped int) []byte { return fmt.Appendf(nil, "%d log lines dropped\n", dropped) }
	return w
}

// Notice sets the function that renders the line about dropped lines.
func (w *Writer) Notice(render func(dropped int) []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notice = render
}

// Write queues one line or several. It never blocks and never returns an error; lines that cannot be written are counted.
func (w *Writer) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
	case len(w.queue) > 0 && (len(w.queue) >= maxLines || w.bytes+len(text) > maxBytes):
		w.dropped++
	default:
		w.add(text)
	}
	return len(text), nil
}

func (w *Writer) add(text []byte) {
	w.queue = append(w.queue, entry{append([]byte(nil), text...), w.dropped})
	w.bytes += len(text)
	w.dropped = 0
	w.changed.Signal()
}

// Close queues a last text, however long, and waits until everything has been written or the timeout has passed. Later
// writes are ignored. Close reports whether everything was written; if not, Run returns only when the writing no longer
// blocks.
func (w *Writer) Close(last []byte, timeout time.Duration) bool {
	w.mu.Lock()
	if !w.closed {
		if len(last) > 0 {
			w.add(last)
		}
		w.closed = true
		w.changed.Signal()
	}
	w.mu.Unlock()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-w.done:
		return true
	case <-timer.C:
		return false
	}
}

// Run writes until Close is called and the queue is empty. It must be called once only.
func (w *Writer) Run() {
	defer close(w.done)
	missing := 0
	for {
		next, notice, ok := w.take()
		if !ok {
			return
		}
		if missing += next.dropped; missing > 0 && w.write(notice(missing)) {
			missing = 0
		}
		if len(next.text) > 0 && !w.write(next.text) {
			missing++ // for example, the disk is full; the next line that can be written says so
		}
	}
}

// write reports whether the text could be written.
func (w *Writer) write(text []byte) bool {
	_, err := w.to.Write(text)
	return err == nil
}

// take waits for the next entry and returns it, or false if there will be none. An entry without text reports lines that
// were dropped after the last entry.
func (w *Writer) take() (next entry, notice func(dropped int) []byte, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) == 0 && w.dropped == 0 && !w.closed {
		w.changed.Wait()
	}
	switch {
	case len(w.queue) > 0:
		next = w.queue[0]
		w.queue[0] = entry{}
		w.queue = w.queue[1:]
		w.bytes -= len(next.text)
	case w.dropped > 0:
		next.dropped, w.dropped = w.dropped, 0
	default:
		return entry{}, nil, false
	}
	return next, w.notice, true
}
