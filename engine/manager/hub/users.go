package hub

import (
	"maps"
	"slices"

	"perigee/engine/script/bind"
)

// SetUser implements bind.Client.
func (c *Connection) SetUser(id string) {
	before := c.User()
	if before == id {
		return
	}
	if c.open {
		c.hub.removeUser(c)
		c.changePresence(before, id)
	}
	c.Profile.SetUser(id)
	if c.open {
		c.hub.addUser(c)
	}
	c.changed(true)
}

// MayReturnAs reports whether the client of a connection that can be resumed may come back to it, if the connect hook has admitted it
// now with the fields of another connection: only as the user that the hook named before.
func (c *Connection) MayReturnAs(admitted *Connection) bool {
	return admitted.User() == c.Admitted()
}

// addUser adds a connection to those of its user, if it has one.
func (h *Hub) addUser(c *Connection) {
	if user := c.User(); user != "" {
		list := h.byUser[user]
		h.byUser[user] = slices.Insert(list, indexOf(list, c.number), c)
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
