package hub

import (
	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/quota"
)

// New returns a connection without a socket, whose fields can be set. Until Admit it is not open.
func (h *Hub) New(uuid string) *Connection { return h.make(profile{uuid: uuid, kind: "anonymous"}) }

// Add adds a new connection, before its open hook runs.
func (h *Hub) Add(conn broker.Conn, uuid string) *Connection {
	c := h.New(uuid)
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
	if left := h.leftovers[auth.Network(c.IPAddress())]; left != nil {
		c.owner.Follow(left)
	}
	h.byConn[c.conn] = c
	h.byUUID[c.uuid] = c
	h.connections = append(h.connections, c)
	h.clients = nil
	h.addNewcomer(c)
	c.conn.Subscribe(allConnections)
	h.addUser(c)
}
