// Package logging owns what stands between those who log and where the log goes: a queue of lines that a slow reader
// cannot make anybody wait for, and bounds for values and for repetitions. It knows neither levels nor formats: those are
// log/slog's.
package logging

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Bounds of what waits to be written. Both are more than a busy server logs in a second, and little beside its clients'
// queues.
const (
	maxLines = 8192
	maxBytes = 4 << 20
)

// Writer hands lines on from a goroutine of its own, in the order in which they came. Its methods may be called by any
// goroutine. While nobody reads what is written, lines wait; those that have no room are dropped, and in their place
// stands how many they were.
type Writer struct {
	to    io.Writer     // used by Run
	ended chan struct{} // closed by Run

	mu sync.Mutex
	// Guarded by mu.
	more    *sync.Cond // signalled when there is something to write, or nothing more will come
	lines   []line
	bytes   int // of lines
	dropped int // since the last of lines
	notice  func(dropped int) []byte
	closed  bool
}

// line is a text that is written at once.
type line struct {
	text    []byte
	dropped int // how many were dropped before it
}

// New returns a writer to which lines may be written at once; whoever made it runs Run.
func New(to io.Writer) *Writer {
	w := &Writer{to: to, ended: make(chan struct{}), notice: plainNotice}
	w.more = sync.NewCond(&w.mu)
	return w
}

func plainNotice(dropped int) []byte {
	return fmt.Appendf(nil, "%d log lines dropped\n", dropped)
}

// Notice has render make the line that tells how many are missing.
func (w *Writer) Notice(render func(dropped int) []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notice = render
}

// Write takes one line or several. It never waits for the reader, and has no error: what cannot be written is counted.
func (w *Writer) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
	case len(w.lines) > 0 && (len(w.lines) >= maxLines || w.bytes+len(text) > maxBytes):
		w.dropped++
	default:
		w.add(text)
	}
	return len(text), nil
}

func (w *Writer) add(text []byte) {
	w.lines = append(w.lines, line{append([]byte(nil), text...), w.dropped})
	w.bytes += len(text)
	w.dropped = 0
	w.more.Signal()
}

// Close adds a last text, however long, and returns when everything has been written, or after patience; what comes later
// is ignored. It tells whether all was written: otherwise Run does not return before somebody reads, and only the end of
// the process ends it.
func (w *Writer) Close(last []byte, patience time.Duration) bool {
	w.mu.Lock()
	if !w.closed {
		if len(last) > 0 {
			w.add(last)
		}
		w.closed = true
		w.more.Signal()
	}
	w.mu.Unlock()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-w.ended:
		return true
	case <-late.C:
		return false
	}
}

// Run writes until Close, and what is there then. It is called once.
func (w *Writer) Run() {
	defer close(w.ended)
	missing := 0
	for {
		next, notice, ok := w.take()
		if !ok {
			return
		}
		if missing += next.dropped; missing > 0 && w.put(notice(missing)) {
			missing = 0
		}
		if len(next.text) > 0 && !w.put(next.text) {
			missing++ // the disk may be full; the next line says so if it can be written
		}
	}
}

func (w *Writer) put(text []byte) bool {
	_, err := w.to.Write(text)
	return err == nil
}

// take waits for the next line and returns it, or false when there will be none. One without text follows upon lines that
// were dropped since the last.
func (w *Writer) take() (next line, notice func(dropped int) []byte, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.lines) == 0 && w.dropped == 0 && !w.closed {
		w.more.Wait()
	}
	switch {
	case len(w.lines) > 0:
		next = w.lines[0]
		w.lines[0] = line{}
		w.lines = w.lines[1:]
		w.bytes -= len(next.text)
	case w.dropped > 0:
		next.dropped, w.dropped = w.dropped, 0
	default:
		return line{}, nil, false
	}
	return next, w.notice, true
}
