package hub

import (
	"crypto/sha256"
	"testing"

	"perigee/engine/wire"
)

// Nothing is left of a connection that has been resumed and closed.
func TestTokensEnd(t *testing.T) {
	h := newHub(t, 1)
	c := h.All()[0]
	c.MakeResumable("")
	for i, token := range []string{"A", "B", "C"} {
		h.away.byToken[sha256.Sum256([]byte(token))] = c // as if it had been sent that one
		delete(h.away.byToken, c.resumption.token)
		c.resumption.token = sha256.Sum256([]byte(token))
		if !c.Drop(false, "") {
			t.Fatal("Drop = false, want the connection to be away")
		}
		s := &sink{id: uint64(i + 2), opened: c.Timestamp(), token: token}
		c.Return(s, 0, func(bool) {})
		if !c.Returned(s, true) || len(h.away.byToken) != 2 || h.away.order.Len() != 0 {
			t.Fatalf("after a return %d tokens are good and %d are away, want 2 and none", len(h.away.byToken), h.away.order.Len())
		}
	}
	c.Heard(1)
	if len(h.away.byToken) != 1 {
		t.Errorf("%d tokens are good once the client is heard, want 1", len(h.away.byToken))
	}
	c.Drop(true, "")
	c.Close(wire.CloseNormal(""))
	if len(h.away.byToken) != 0 || h.away.order.Len() != 0 || len(h.byConn) != 0 || len(h.byUUID) != 0 {
		t.Errorf("%d tokens, %d away, %d and %d in the maps, want nothing left", len(h.away.byToken), h.away.order.Len(), len(h.byConn), len(h.byUUID))
	}
}
