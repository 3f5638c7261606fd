package hub

import (
	"maps"
	"slices"

	"perigee/engine/script/bind"
)

// SetUser implements bind.Client.
func (c *Connection) SetUser(id string) {
	if c.User() == id {
		return
	}
	h := c.hub
	if c.open {
		h.removeUser(c)
		c.changePresence(c.User(), id)
	}
	c.ofPerson().user = id
	if c.open && id != "" {
		list := h.byUser[id]
		h.byUser[id] = slices.Insert(list, indexOf(list, c.number), c)
	}
	c.changed()
}

// SetRoles implements bind.Client.
func (c *Connection) SetRoles(roles []string) {
	if !slices.Equal(c.Roles(), roles) {
		c.ofPerson().roles = roles
		c.changed()
	}
}

// removeUser removes a connection from those of its user, if it has one.
func (h *Hub) removeUser(c *Connection) {
	user := c.User()
	if user == "" {
		return
	}
	if list := remove(h.byUser[user], c); len(list) > 0 {
		h.byUser[user] = list
	} else {
		delete(h.byUser, user)
	}
}

// UserClients returns the open connections of a user as scripts get them. The slice is the caller's.
func (h *Hub) UserClients(user string) []bind.Client { return clients(h.byUser[user]) }

// Users returns all users that have an open connection, sorted.
func (h *Hub) Users() []string { return slices.Sorted(maps.Keys(h.byUser)) }
