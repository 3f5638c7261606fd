package outbox

import (
	"encoding/binary"
	"strings"
	"testing"
	"testing/synctest"
	"unsafe"

	"perigee/engine/config"
	"perigee/engine/testkit"
	"perigee/engine/wire"
)

// A memory is allocated as one cache line. A broadcast uses the memories of many clients, so every further line costs time.
func TestMemorySize(t *testing.T) {
	const line = 64 // bytes, on amd64 and most others
	if size := unsafe.Sizeof(memory{}); size > line {
		t.Errorf("a memory has %d bytes, want at most %d", size, line)
	}
}

// For one client no more is kept than the limits say. It still misses nothing as long as it has received what is not kept.
func TestKeptLimits(t *testing.T) {
	const size = 100 // of each frame
	for _, tt := range []struct {
		name            string
		messages, bytes int
		before, away    int // frames that are sent before the loss, and received; and after it
		complete        bool
	}{
		{"as many as fit", 5, 10_000, 0, 5, true},
		{"one more", 5, 10_000, 0, 6, false},
		{"as many bytes as fit", 100, 5 * size, 0, 5, true},
		{"one frame more", 100, 5 * size, 0, 6, false},
		{"received frames make room", 5, 10_000, 20, 5, true},
		{"the first frame alone is too long", 100, size - 1, 0, 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := start(t, nil)
				o.Configure(config.Default().Limits, config.Resume{Messages: tt.messages, Bytes: config.Size(tt.bytes), Memory: config.MiB})
				c := joinResumable(t, o)
				frame := strings.Repeat("x", size-2)
				for range tt.before {
					c.Send(text(frame))
					for first := byte(0); first != TextFrame; { // there are pings in between
						first, _, _ = c.read()
					}
				}
				synctest.Wait()
				_ = c.conn.Close()
				c.Ended(wire.CloseAbnormal())
				c.ReaderDone(true)
				for range tt.away {
					c.Send(text(frame))
				}
				if got := c.Sent(); got != uint64(tt.before+tt.away) {
					t.Errorf("Sent() = %d, want %d", got, tt.before+tt.away)
				}
				on(t, c.shard, func() {}) // the batch before this one has counted its bytes
				want := tt.away
				if !tt.complete {
					want = 0
				}
				if got := int(o.Kept()) / (size + frameCost); got < want || got > tt.messages || got*size > tt.bytes {
					t.Errorf("Kept() = %d, which are %d frames, want %d at least, and no more than the limits", o.Kept(), got, want)
				}
				sent := uint64(tt.before)
				if !tt.complete {
					sent += uint64(tt.away)
				}
				next := c.resume(o, int64(tt.before), tt.complete, sent)
				for range tt.away {
					if tt.complete {
						next.want(TextFrame, frame)
					}
				}
				next.wantNothing()
				on(t, c.shard, func() {})
				if got := o.Kept(); got != 0 {
					t.Errorf("after the return: Kept() = %d, want 0", got)
				}
			})
		})
	}
}

// For all clients together that are away no more is kept than the limit says. The one for which most is kept loses it, and only
// that.
func TestKeptMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := start(t, func(l *config.Limits) { l.Shards = 2 })
		o.Configure(config.Default().Limits, config.Resume{Messages: 100, Bytes: config.MiB, Memory: 6500})
		var clients []*client
		for i := range 3 {
			c := joinResumable(t, o)
			_ = c.conn.Close()
			c.Ended(wire.CloseAbnormal())
			c.ReaderDone(true)
			c.Send(text(strings.Repeat("x", 1000*(i+1))))
			synctest.Wait()
			clients = append(clients, c)
		}
		const each = 4 + frameCost // header, and what it costs besides
		if got, want := o.Kept(), int64(1000+2000+3000+3*each); got != want {
			t.Errorf("Kept() = %d, want %d", got, want)
		}
		clients[0].Send(text(strings.Repeat("y", 200)))
		synctest.Wait()
		if got, want := o.Kept(), int64(1000+2000+200+3*each); got != want {
			t.Errorf("with one frame too many: Kept() = %d, want %d", got, want)
		}
		clients[0].resume(o, 0, true, 0)
		clients[1].resume(o, 0, true, 0)
		clients[2].resume(o, 0, false, 1)
	})
}

// A ping carries the number of the last frame, and what its answer confirms is not kept any more. A client that is sent much is also
// asked between two pings; one that cannot come back is sent empty pings only.
func TestConfirm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := start(t, nil)
		limits := config.Resume{Messages: 40, Bytes: 4000, Memory: config.MiB}
		o.Configure(config.Default().Limits, limits)
		c, plain := joinResumable(t, o), joinPipe(t, o)
		number := func(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }
		send := func(n, size int) {
			for range n {
				for _, c := range []*client{c, plain} {
					c.Send(text(strings.Repeat("x", size)))
					c.want(TextFrame, strings.Repeat("x", size))
				}
			}
		}
		send(11, 10)
		c.Send(text("asks"))
		c.want(TextFrame, "asks")
		c.want(PingFrame, number(12))
		send(5, 10)
		for _, wrong := range []string{"", "seven b", number(1000), number(0)} {
			c.Confirm([]byte(wrong))
		}
		kept := func() (n int) {
			on(t, c.shard, func() { n = c.memory.length() })
			return n
		}
		if got := kept(); got != 17 {
			t.Errorf("%d frames are kept before any is confirmed, want 17", got)
		}
		c.Confirm([]byte(number(12)))
		if got := kept(); got != 5 {
			t.Errorf("%d frames are kept after 12 of 17 were confirmed, want 5", got)
		}
		send(1, 2000)
		c.Send(text("asks"))
		c.want(TextFrame, "asks")
		c.want(PingFrame, number(19))
		for _, c := range []*client{c, plain} {
			c.pings.Store(true)
		}
		c.want(PingFrame, number(19))
		plain.want(PingFrame, "")
		c.Confirm([]byte(number(19)))
		on(t, c.shard, func() {
			if m := c.memory; m.length() != 0 || m.bytes != 0 {
				t.Errorf("after everything was confirmed: %d frames, %d bytes", m.length(), m.bytes)
			}
		})
		c.want(PingFrame, number(19))
		on(t, c.shard, func() {
			if got := cap(c.memory.kept); got != 0 {
				t.Errorf("a list for %d frames is left to a client that is sent nothing", got)
			}
		})
	})
}

// Clients that are away need little more memory than resume.memory allows, whatever they are sent.
func TestAwayHeap(t *testing.T) {
	for _, size := range []int{10, 1024} {
		testAwayHeap(t, strings.Repeat("x", size))
	}
}

func testAwayHeap(t *testing.T, payload string) {
	t.Helper()
	const messages = 50 // to each client in a turn
	clients, turns := testkit.Scale(100, 1000), testkit.Scale(20, 60)
	limits := config.Default().Resume
	limits.Memory = limits.Memory * config.Size(clients) / 1000
	o := start(t, nil)
	o.Configure(config.Default().Limits, limits)
	away := make([]*client, clients)
	for i := range away {
		away[i] = &client{t: t}
		o.Restore(&away[i].Sender, away[i], 0, nil)
	}
	before, most, kept := testkit.HeapBytes(), 0.0, int64(0)
	for range turns {
		for _, c := range away {
			for range messages {
				c.Send(text(payload))
			}
		}
		for _, sh := range o.shards {
			on(t, sh, func() {}) // what was sent is kept
			on(t, sh, func() {}) // and the batch is over, so the limit was applied
		}
		most, kept = max(most, testkit.HeapBytes()-before), max(kept, o.Kept())
	}
	if limit := int64(limits.Memory); kept < limit*3/4 || kept > limit || most > float64(limit)*5/4 {
		t.Errorf("messages of %d bytes: %d bytes were kept at most, and the heap grew by %.0f, want both near the limit of %d", len(payload), kept, most, limit)
	}
	testkit.Measured(t, "%d clients that are away x %d messages of %d bytes: the heap grew by %.1f MiB at most, with resume.memory = %.1f MiB",
		clients, turns*messages, len(payload), most/(1<<20), float64(limits.Memory)/(1<<20))
}
