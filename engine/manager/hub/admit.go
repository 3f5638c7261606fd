package hub

import (
	"net/netip"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/manager/hub/profile"
	"perigee/engine/quota"
)

// New returns a connection without a socket, whose fields can be set. Until Admit it is not open; if it never will be, Refuse must be
// called.
func (h *Hub) New(uuid string, address netip.Addr) *Connection {
	c := h.make(identity{uuid: uuid}, profile.New())
	if left := h.leftovers[auth.Network(address)]; left != nil {
		c.owner.Follow(left)
	}
	return c
}

// Refuse ends a connection of New that will not open: what its connect hook still has under way counts for its network.
func (h *Hub) Refuse(c *Connection, address netip.Addr) { h.keepPlaces(c.owner, address) }

// Add adds a new connection, before its open hook runs.
func (h *Hub) Add(conn broker.Conn, uuid string) *Connection {
	c := h.New(uuid, conn.Peer().Addr)
	h.Admit(c, conn)
	return c
}

// Admit opens a connection of New, before its open hook runs.
func (h *Hub) Admit(c *Connection, conn broker.Conn) {
	c.conn, c.resourceID, c.openedAt, c.open, c.connected = conn, h.firstID+conn.ID(), conn.OpenedAt(), true, true
	c.SetAdmitted(c.User())
	h.insert(c)
	c.changed(true)
}

func (h *Hub) make(i identity, p profile.Profile) *Connection {
	c := &Connection{hub: h, owner: quota.NewOwner(&h.ownerLimits), identity: i, Profile: p}
	c.subscriptionsUpdate.Send = c.sendSubscriptions
	return c
}

// insert adds a connection as the last one in the order of opening.
func (h *Hub) insert(c *Connection) {
	h.lastNumber++
	c.number = h.lastNumber
	h.byConn[c.conn] = c
	h.byUUID[c.uuid] = c
	h.connections = append(h.connections, c)
	h.clients = nil
	h.roster.Add(&c.entry, c)
	c.conn.Subscribe(allConnections)
	h.addUser(c)
}
