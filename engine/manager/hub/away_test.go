package hub

import (
	"encoding/json"
	"testing"

	"perigee/engine/broker"
	"perigee/engine/broker/outbox"
	"perigee/engine/wire"
)

// resumable is a socket that remembers the token that its client was sent.
type resumable struct {
	sink
	sentToken string
}

func (s *resumable) Send(f *outbox.Frame) {
	var message struct{ Token string }
	if json.Unmarshal(f.Payload(), &message) == nil && message.Token != "" {
		s.sentToken = message.Token
	}
}

func (s *resumable) Resume(_ broker.Conn, _ int64, hello func(complete bool, sent uint64) *outbox.Frame, done func(complete bool)) {
	s.Send(hello(false, 0))
	done(false)
}

// Nothing is left of a connection that has been resumed and closed. The token that a client has used is good until it is heard.
func TestTokensEnd(t *testing.T) {
	h := newHub(t, 0)
	s := &resumable{sink: sink{id: 1}}
	c := h.Add(s, wire.NewID())
	c.MakeResumable("")
	for i := range 3 {
		if !c.Drop(false, "") {
			t.Fatal("Drop = false, want the connection to be away")
		}
		used := s.sentToken
		s = &resumable{sink: sink{id: uint64(i + 2), token: used}}
		c.BeginResume(s, 0, func(bool) {})
		if !c.EndResume(s, true) || h.away.tokens.Len() != 2 || h.away.order.Len() != 0 || h.ByToken(used, "") != c {
			t.Fatalf("after a return %d tokens are good and %d are away, want 2, one of them the used one, and none", h.away.tokens.Len(), h.away.order.Len())
		}
	}
	c.Heard(1)
	if h.away.tokens.Len() != 1 || h.ByToken(s.sentToken, "") != c {
		t.Errorf("%d tokens are good once the client is heard, want the newest", h.away.tokens.Len())
	}
	c.Drop(true, "")
	c.Close(wire.CloseNormal(""))
	if h.away.tokens.Len() != 0 || h.away.order.Len() != 0 || len(h.byConn) != 0 || len(h.byUUID) != 0 {
		t.Errorf("%d tokens, %d away, %d and %d in the maps, want nothing left", h.away.tokens.Len(), h.away.order.Len(), len(h.byConn), len(h.byUUID))
	}
}
