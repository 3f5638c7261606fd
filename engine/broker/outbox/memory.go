package outbox

import (
	"encoding/binary"

	"perigee/engine/config"
)

// memory is what the outbox keeps of a connection that can be resumed. The text frames of the connection are numbered from 1, on all
// of its sockets together. Client and server count alike, so frames carry no number. A frame gets its number when its writing begins,
// or when it is sent while the client is away. The last frames are kept until the client has confirmed them.
//
// A memory fits into one cache line. The shard uses the memories of all clients of a broadcast in turn, with a system call between
// two of them that uses the processor's cache, so each line costs a cache miss.
type memory struct {
	sent    uint64   // number of the last frame
	kept    []*Frame // the last frames up to sent, not compressed
	bytes   int      // of all kept frames
	asked   uint64   // number that the last ping carried, which asks the client to confirm
	absence *absence // nil while the client is connected
	first   uint32   // in kept: those before are removed
	lost    bool     // a frame that the client has not received is not kept
	over    bool     // the connection cannot be resumed any more
	held    bool     // Transport.Over is to be called
}

// absence is the part of a memory that is used only while the client is away.
type absence struct {
	written   uint64 // number of the last frame that the client may have received
	latest    uint64 // number of the frame that the next SendLatest replaces; 0 is none
	accounted int    // how much of size is in Outbox.kept
}

// frameCost is how many bytes a kept frame takes besides its text: the Frame, its entry in a list, and what the allocator adds.
const frameCost = 96

// size returns how many bytes the kept frames use if no other client shares them.
func (m *memory) size() int { return m.bytes + frameCost*m.length() }

// length returns how many frames are kept.
func (m *memory) length() int { return len(m.kept) - int(m.first) }

// confirmed returns the number of the last frame that is not kept any more.
func (m *memory) confirmed() uint64 { return m.sent - uint64(m.length()) }

// add numbers a text frame and keeps it. The caller trims the memory afterwards.
func (m *memory) add(f *Frame) {
	m.sent++
	if m.lost {
		return
	}
	if len(m.kept) == cap(m.kept) && int(m.first) > len(m.kept)/2 {
		n := copy(m.kept, m.kept[m.first:])
		clear(m.kept[n:])
		m.kept, m.first = m.kept[:n], 0
	}
	m.kept = append(m.kept, f)
	m.bytes += len(f.bytes)
}

// addLatest is add for a client that is away. The frame replaces that of the previous call, unless the client has come back since
// then or that frame is no longer kept.
func (m *memory) addLatest(f *Frame) {
	if m.lost || m.absence.latest <= m.confirmed() {
		m.add(f)
		m.absence.latest = m.sent
		return
	}
	old := &m.kept[len(m.kept)-1-int(m.sent-m.absence.latest)]
	m.bytes += len(f.bytes) - len((*old).bytes)
	*old = f
}

// trim removes the oldest frames until the limits are met. If the client has missed one of them, nothing is kept any more.
func (m *memory) trim(limits *config.Resume) {
	for m.length() > limits.Messages || m.bytes > int(limits.Bytes) {
		m.remove(1)
	}
	if m.absence != nil && m.confirmed() > m.absence.written {
		m.lose()
	}
}

// remove removes the n oldest frames.
func (m *memory) remove(n int) {
	removed := m.kept[m.first:][:n]
	for _, f := range removed {
		m.bytes -= len(f.bytes)
	}
	clear(removed)
	m.first += uint32(n)
	if m.length() == 0 {
		m.kept, m.first = m.kept[:0], 0
	}
}

// lose removes all kept frames, and those that come from now on are only counted.
func (m *memory) lose() {
	m.lost = true
	m.kept, m.first, m.bytes = nil, 0, 0
}

// confirm removes the frames up to a number that the client has received.
func (m *memory) confirm(number uint64) {
	if confirmed := m.confirmed(); number > confirmed && number <= m.sent {
		m.remove(int(number - confirmed))
	}
}

// after returns the frames that come after the first received ones. complete is false if some of them are not kept. It is also false
// if received is negative, which stands for a client that remembers nothing.
func (m *memory) after(received int64) (missed []*Frame, complete bool) {
	if received < 0 || m.lost || uint64(received) < m.confirmed() || uint64(received) > m.sent {
		return nil, false
	}
	return m.kept[len(m.kept)-int(m.sent-uint64(received)):], true
}

// shouldAsk reports whether to ask the client to confirm frames: more than a quarter of what the limits allow is kept, and all that the
// client was asked for is confirmed. With a quarter, the memory of busy clients stays small, and pings are rare.
func (m *memory) shouldAsk(limits *config.Resume) bool {
	const part = 4
	return m.asked <= m.confirmed() && (m.length() > limits.Messages/part || m.bytes > int(limits.Bytes)/part)
}

// ping returns a ping. If the connection can be resumed, its payload is the number of the last text frame before it. The pong
// repeats the payload (RFC 6455, 5.5.3), and so confirms all frames up to that number.
func (s *Sender) ping() *Frame {
	m := s.memory
	if m == nil {
		return newFrame(PingFrame, nil)
	}
	if m.length() == 0 {
		m.kept = nil // little has been sent lately
	}
	m.asked = m.sent
	for _, e := range s.queue[s.head:] {
		if e.unnumbered {
			m.asked++
		}
	}
	return newFrame(PingFrame, binary.BigEndian.AppendUint64(nil, m.asked))
}

// Confirm must be called with the payload of each pong. The frames that it confirms are not kept any longer.
func (s *Sender) Confirm(pong []byte) {
	if s.memory == nil || len(pong) != 8 {
		return
	}
	number := binary.BigEndian.Uint64(pong)
	s.shard.post(op{kind: opCall, sender: s, call: func(sh *shard) {
		s.memory.confirm(number)
		sh.accountKept(s)
	}})
}
