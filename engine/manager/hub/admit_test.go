package hub

import (
	"testing"

	"perigee/engine/quota"
)

// What a connection that was refused, or has closed, still has under way counts for the next one of its network before that one's connect
// hook runs, and for no other network.
func TestRefusedConnectionCounts(t *testing.T) {
	h := newHub(t, 1)
	opened, address := h.connections[0], (&sink{}).Peer().Addr
	opened.owner.Add(quota.Requests, 3)
	opened.Remove()
	refused := h.New("refused", address)
	refused.owner.Add(quota.Requests, 5)
	h.Refuse(refused, address)
	next, other := h.New("next", address), h.New("other", address.Next())
	if next.owner.MayTake(quota.Requests, 7) || !next.owner.MayTake(quota.Requests, 8) {
		t.Error("the next connection of the network holds another number of places than the 8 of those before")
	}
	if !other.owner.MayTake(quota.Requests, 1) {
		t.Error("a connection of another network may not take a place, want that it may")
	}
}
