package logging

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee/engine/testkit"
)

// start runs a writer until the end of the test.
func start(t *testing.T, to io.Writer) *Writer {
	t.Helper()
	w := New(to)
	var wg sync.WaitGroup
	wg.Go(w.Run)
	t.Cleanup(func() {
		w.Close(nil, 0)
		wg.Wait()
	})
	return w
}

// stalled is a reader that reads nothing until it is released.
type stalled struct {
	began   chan struct{} // sent to by Write; capacity 1
	release chan struct{} // closed by the test
	text    bytes.Buffer  // read once the writer has ended
}

func newStalled() *stalled {
	return &stalled{began: make(chan struct{}, 1), release: make(chan struct{})}
}

func (s *stalled) Write(text []byte) (int, error) {
	select {
	case s.began <- struct{}{}:
	default:
	}
	<-s.release
	return s.text.Write(text)
}

// Writing to a log that is not read does not block: lines are queued in order, the rest is dropped, and the log says how many.
func TestStalled(t *testing.T) {
	to := newStalled()
	w := start(t, to)
	w.Notice(func(dropped int) []byte { return fmt.Appendf(nil, "dropped=%d\n", dropped) })
	write := func(text string) {
		if n, err := io.WriteString(w, text); n != len(text) || err != nil {
			t.Errorf("Write(%.20q) = %d, %v, want %d, nil", text, n, err, len(text))
		}
	}
	write("first\n")
	<-to.began // and no longer in the queue
	for i := range maxLines + 7 {
		write(fmt.Sprintf("line %d\n", i))
	}
	close(to.release)
	if !w.Close([]byte("last\n"), testkit.Timeout) {
		t.Fatal("Close = false, want everything written")
	}
	lines := strings.Split(strings.TrimSuffix(to.text.String(), "\n"), "\n")
	want := []string{"first"}
	for i := range maxLines {
		want = append(want, fmt.Sprintf("line %d", i))
	}
	want = append(want, "dropped=7", "last")
	if len(lines) != len(want) {
		t.Fatalf("written: %d lines, want %d", len(lines), len(want))
	}
	for i := range want {
		if lines[i] != want[i] {
			t.Fatalf("line %d = %q, want %q", i, lines[i], want[i])
		}
	}
}

// The queue is limited in bytes, but accepts one line of any length. That lines are missing is logged even if no other line
// follows.
func TestBytes(t *testing.T) {
	to := newStalled()
	w := start(t, to)
	_, _ = io.WriteString(w, "first\n")
	<-to.began
	big := strings.Repeat("x", 2*maxBytes) + "\n"
	_, _ = io.WriteString(w, big)
	_, _ = io.WriteString(w, "no room\n")
	close(to.release)
	if !w.Close(nil, testkit.Timeout) {
		t.Fatal("Close = false, want everything written")
	}
	if got, want := to.text.String(), "first\n"+big+"1 log lines dropped\n"; got != want {
		t.Errorf("written: %d bytes that end with %q, want %d", len(got), got[max(0, len(got)-40):], len(want))
	}
}

// Close gives up on a reader that does not read.
func TestClose(t *testing.T) {
	to := newStalled()
	w := start(t, to)
	_, _ = io.WriteString(w, "never read\n")
	<-to.began
	if w.Close(nil, time.Millisecond) {
		t.Error("Close = true, want false while the reader is stalled")
	}
	close(to.release)
	if !w.Close(nil, testkit.Timeout) {
		t.Error("Close = false, want true after everything was read")
	}
	_, _ = io.WriteString(w, "too late\n")
	if got := to.text.String(); got != "never read\n" {
		t.Errorf("written %q, want nothing of what came after Close", got)
	}
}

// failing is a writer that fails for some texts.
type failing struct {
	bytes.Buffer
	refused string
}

func (f *failing) Write(text []byte) (int, error) {
	if strings.Contains(string(text), f.refused) {
		return 0, errors.New("disk full")
	}
	return f.Buffer.Write(text)
}

// Lines that cannot be written are counted, and the next line says so.
func TestUnwritable(t *testing.T) {
	to := &failing{refused: "secret"}
	w := start(t, to)
	for _, text := range []string{"one\n", "secret\n", "secret too\n", "two\n"} {
		_, _ = io.WriteString(w, text)
	}
	if !w.Close(nil, testkit.Timeout) {
		t.Fatal("Close = false, want everything written")
	}
	// The notice about the first line is written before the second line, which is dropped, too.
	if got, want := to.String(), "one\n1 log lines dropped\n1 log lines dropped\ntwo\n"; got != want {
		t.Errorf("written %q, want %q", got, want)
	}
}

// Several goroutines may log, and no line is torn apart.
func TestManyGoroutines(t *testing.T) {
	var to bytes.Buffer
	w := start(t, &to)
	log := slog.New(slog.NewTextHandler(w, nil))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 100 {
				log.Info("logging: test", "goroutine", g, "i", i)
			}
		})
	}
	wg.Wait()
	if !w.Close(nil, testkit.Timeout) {
		t.Fatal("Close = false, want everything written")
	}
	next := map[string]int{}
	for line := range strings.Lines(to.String()) {
		_, fields, _ := strings.Cut(line, `msg="logging: test" `)
		var g, i int
		if _, err := fmt.Sscanf(fields, "goroutine=%d i=%d\n", &g, &i); err != nil || next[fmt.Sprint(g)] != i {
			t.Fatalf("line %q: %v, want the lines of each goroutine in their order", line, err)
		}
		next[fmt.Sprint(g)]++
	}
	if len(next) != 8 {
		t.Errorf("lines of %d goroutines, want 8", len(next))
	}
}
