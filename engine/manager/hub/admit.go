package hub

import (
	"net/netip"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/quota"
)

// New returns a connection without a socket, whose fields can be set. Until Admit it is not open; if it never will be, Refuse must be
// called.
func (h *Hub) New(uuid string, address netip.Addr) *Connection {
	c := h.make(profile{uuid: uuid, kind: "anonymous"})
	if left := h.leftovers[auth.Network(address)]; left != nil {
		c.owner.Follow(left)
	}
	return c
}

// Refuse ends a connection of New that will not open: what its connect hook still has under way counts for its network.
func (h *Hub) Refuse(c *Connection, address netip.Addr) { h.leave(c.owner, address) }

// Add adds a new connection, before its open hook runs.
func (h *Hub) Add(conn broker.Conn, uuid string) *Connection {
	c := h.New(uuid, conn.Peer().Addr)
	h.Admit(c, conn)
	return c
}

// Admit opens a connection of New, before its open hook runs.
func (h *Hub) Admit(c *Connection, conn broker.Conn) {
	c.conn, c.resourceID, c.openedAt, c.open, c.connected = conn, h.firstID+conn.ID(), conn.OpenedAt(), true, true
	c.setAdmitted(c.User())
	h.insert(c)
	c.changed()
}

func (h *Hub) make(p profile) *Connection {
	c := &Connection{hub: h, owner: quota.NewOwner(&h.ownerLimits), profile: p}
	c.subscriptionsUpdate.send = c.sendSubscriptions
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
	h.addNewcomer(c)
	c.conn.Subscribe(allConnections)
	h.addUser(c)
}
