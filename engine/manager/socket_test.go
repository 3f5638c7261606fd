package manager

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/broker/outbox"
	"perigee/engine/handshake"
	"perigee/engine/wire"
)

// socket is the socket of a client. It records the frames that it is sent.
type socket struct {
	broker.Conn // nil: what is not defined below is not called
	http        *handshake.Request
	id          uint64
	peer        auth.Peer
	opened      time.Time

	mu sync.Mutex
	// Guarded by mu.
	heard  []frame
	latest int // how many of heard came by SendLatest
	topics []outbox.TopicID
	closed []wire.Close

	resumable // of a client that can come back
}

// frame is the text of a message.
type frame string

func (f frame) fields() map[string]any {
	var m map[string]any
	if err := json.Unmarshal([]byte(f), &m); err != nil {
		return map[string]any{"name": fmt.Sprintf("not JSON: %s", string(f))}
	}
	return m
}

func (f frame) name() string { return fmt.Sprint(f.fields()["name"]) }

func (s *socket) name() string { return fmt.Sprint("socket", s.id) }

// hears fails the test unless the socket has been sent messages with these names since the last time.
func (s *socket) hears(tb testing.TB, why string, want ...string) {
	tb.Helper()
	var got []string
	for _, f := range s.take() {
		got = append(got, f.name())
	}
	if !slices.Equal(got, want) {
		tb.Errorf("%s: socket %d hears %q, want %q", why, s.id, got, want)
	}
}

// take returns the frames that the socket has been sent since the last call.
func (s *socket) take() []frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	heard := s.heard
	s.heard, s.latest = nil, 0
	return heard
}

// rosters returns how many of the frames not yet taken were sent by SendLatest.
func (s *socket) rosters() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest
}

// ends returns how the socket was closed. The manager should close it once.
func (s *socket) ends() []wire.Close {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.closed)
}

// subscribed reports whether the socket is subscribed to a topic.
func (s *socket) subscribed(t outbox.TopicID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.topics, t)
}

func (s *socket) ID() uint64          { return s.id }
func (s *socket) Peer() auth.Peer     { return s.peer }
func (s *socket) OpenedAt() time.Time { return s.opened }

func (s *socket) Request() *handshake.Request { return s.http }

func (s *socket) Send(f *outbox.Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.closed) == 0 {
		s.heard = append(s.heard, frame(f.Payload()))
	}
}

func (s *socket) SendAll(frames []*outbox.Frame) {
	for _, f := range frames {
		s.Send(f)
	}
}

func (s *socket) SendLatest(f *outbox.Frame) {
	s.Send(f)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest++
}

func (s *socket) Close(why wire.Close) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = append(s.closed, why)
}

func (s *socket) Subscribe(t outbox.TopicID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.topics = append(s.topics, t)
}

func (s *socket) Unsubscribe(t outbox.TopicID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.topics = slices.DeleteFunc(s.topics, func(other outbox.TopicID) bool { return other == t })
}

// publisher sends to the sockets of a test.
type publisher struct {
	mu      sync.Mutex
	sockets []*socket // added by the test; guarded by mu, for the loop reads them
}

func (p *publisher) Publish(t outbox.TopicID, f *outbox.Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sockets {
		if s.subscribed(t) {
			s.Send(f)
		}
	}
}

// resumable is the part of a socket with which a client comes back to its connection.
type resumable struct {
	request   broker.ResumeRequest
	number    uint64 // of the message that comes
	lost      bool   // what it was sent since it was lost is incomplete
	forgotten bool
	sent      uint64 // frames
	kept      [][]byte
}

func (s *socket) ResumeRequest() broker.ResumeRequest { return s.request }

func (s *socket) Heard() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.number
}

func (s *socket) Sent() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent
}

func (s *socket) Kept() [][]byte { return s.kept }

func (s *socket) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgotten = true
}

// isForgotten reports whether Forget was called.
func (s *socket) isForgotten() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.forgotten
}

func (s *socket) Resume(from broker.Conn, received int64, hello func(complete bool, sent uint64) *outbox.Frame, done func(complete bool)) {
	old, ok := from.(*socket)
	complete := ok && received >= 0 && !old.lost
	s.Send(hello(complete, 1234))
	if complete {
		s.heard = append(s.heard, old.take()...)
	}
	s.topics = old.topics
	done(complete)
}
