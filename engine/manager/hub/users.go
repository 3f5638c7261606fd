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
	if c.open {
		h.addUser(c)
	}
	c.changed()
}

// MayReturnAs reports whether the client of a connection that can be resumed may come back to it, if the connect hook has admitted it
// now with the fields of another connection: only as the user that the hook named before.
func (c *Connection) MayReturnAs(admitted *Connection) bool {
	return admitted.User() == c.admitted()
}

// admitted returns the user that the connect hook has set; "" if it has set none.
func (c *Connection) admitted() string {
	if c.person == nil {
		return ""
	}
	return c.person.admitted
}

func (c *Connection) setAdmitted(user string) {
	if user != "" {
		c.ofPerson().admitted = user
	}
}

// FromConnect implements bind.Client.
func (c *Connection) FromConnect(field string) bool { return slices.Contains(c.given(), field) }

// SetFromConnect implements bind.Client.
func (c *Connection) SetFromConnect(fields []string) {
	if len(fields) > 0 {
		c.ofPerson().given = fields
	}
}

// given returns the fields that the connect hook has returned.
func (c *Connection) given() []string {
	if c.person == nil {
		return nil
	}
	return c.person.given
}

// SetRoles implements bind.Client.
func (c *Connection) SetRoles(roles []string) {
	if !slices.Equal(c.Roles(), roles) {
		c.ofPerson().roles = roles
		c.changed()
	}
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
