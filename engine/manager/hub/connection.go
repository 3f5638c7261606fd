package hub

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/broker/outbox"
	"perigee/engine/handshake"
	"perigee/engine/manager/hub/profile"
	"perigee/engine/manager/hub/roster"
	"perigee/engine/manager/hub/updates"
	"perigee/engine/quota"
	"perigee/engine/script/bind"
	"perigee/engine/wire"
)

// Connection is what the server knows of one client. Once closed it can still be read; all other methods are no-ops.
type Connection struct {
	identity
	profile.Profile
	hub    *Hub
	number uint64 // in the order of opening, from 1
	owner  *quota.Owner
	entry  roster.Entry

	subscriptions       []*Topic // sorted by name
	subscriptionsUpdate updates.Update
	newTopics           []*Topic // subscriptions whose history follows the update

	resumption *resumption // nil if its client cannot resume it
	absence    *absence    // nil unless it is away

	badMessages []time.Time // when its latest bad messages came
	failures    int         // wrong passwords since the last right one

	encoding bool // AppendJSON is running on it
}

// identity is what the server itself knows of a connection; scripts read it by the methods that bind.Client describes.
type identity struct {
	conn            broker.Conn // the present one; while the connection is away, the last one
	uuid            string
	resourceID      uint64
	openedAt        time.Time
	open, connected bool
	slot            any
}

func (i *identity) UUID() string                { return i.uuid }
func (i *identity) Open() bool                  { return i.open }
func (i *identity) Connected() bool             { return i.connected }
func (i *identity) ResourceID() uint64          { return i.resourceID }
func (i *identity) IPAddress() netip.Addr       { return i.conn.Peer().Addr }
func (i *identity) Request() *handshake.Request { return i.conn.Request() }
func (i *identity) Timestamp() time.Time        { return i.openedAt }
func (i *identity) Slot() *any                  { return &i.slot }

// May reports whether the connection passes a protection. It is the only caller of Protection.Allows: the manager asks it for
// messages, topics ask it for subscriptions. owner is the UUID of the connection that the message or topic is about.
func (c *Connection) May(p auth.Protection, owner string) bool {
	return p.Allows(c.Admin(), c.uuid, owner)
}

// Close closes a connection, for good. It is removed at once, so that others do not see it while its peer is slow to close;
// Options.Closed is called in a turn of its own.
func (c *Connection) Close(why wire.Close) {
	if !c.open {
		return
	}
	c.hub.updates.SendFirst()
	if c.absence == nil {
		c.conn.Close(why)
	}
	c.Remove()
	c.hub.loop.Next("close", func() { c.hub.options.Closed(c, why.Reason) })
}

// keepPlaces counts the places that an owner still holds for later connections from its network.
func (h *Hub) keepPlaces(o *quota.Owner, address netip.Addr) {
	network := auth.Network(address)
	left := h.leftovers[network]
	if left == nil {
		maps.DeleteFunc(h.leftovers, func(_ netip.Addr, l *quota.Leftover) bool { return l.IsEmpty() })
		left = &quota.Leftover{}
		h.leftovers[network] = left
	}
	o.Leave(left)
}

// Remove removes a connection from the hub, its topics and the roster.
func (c *Connection) Remove() {
	h := c.hub
	c.open, c.connected = false, false
	c.endResumption()
	h.keepPlaces(c.owner, c.IPAddress())
	delete(h.byConn, c.conn)
	delete(h.byUUID, c.uuid)
	h.connections = remove(h.connections, c)
	h.clients = nil
	h.removeUser(c)
	for _, t := range c.subscriptions {
		t.subscribers = remove(t.subscribers, c)
		t.countPresence(c.User(), -1)
	}
	c.subscriptions = nil
	c.entry.Remove()
}

// indexOf returns the index of a number, or that at which it would be inserted, in a list in the order of opening.
func indexOf(list []*Connection, number uint64) int {
	i, _ := slices.BinarySearchFunc(list, number, func(c *Connection, number uint64) int {
		return cmp.Compare(c.number, number)
	})
	return i
}

// remove removes a connection from a list in the order of opening. The list must contain it.
func remove(list []*Connection, c *Connection) []*Connection {
	i := indexOf(list, c.number)
	return slices.Delete(list, i, i+1)
}

// clients returns a list as scripts get it.
func clients(list []*Connection) []bind.Client {
	all := make([]bind.Client, len(list))
	for i, c := range list {
		all[i] = c
	}
	return all
}

// SetType implements bind.Client.
func (c *Connection) SetType(t string) { c.changed(c.Profile.SetType(t)) }

// SetName implements bind.Client.
func (c *Connection) SetName(n string) { c.changed(c.Profile.SetName(n)) }

// SetEmail implements bind.Client.
func (c *Connection) SetEmail(e string) { c.changed(c.Profile.SetEmail(e)) }

// SetAdmin implements bind.Client.
func (c *Connection) SetAdmin(admin bool) { c.changed(c.Profile.SetAdmin(admin)) }

// SetRoles implements bind.Client.
func (c *Connection) SetRoles(roles []string) { c.changed(c.Profile.SetRoles(roles)) }

// SetAttribute implements bind.Client.
func (c *Connection) SetAttribute(name string, v wire.Value) error {
	changed, err := c.Profile.SetAttribute(name, v)
	c.changed(changed)
	return err
}

// changed notes that others may see something else of the connection in the roster, if it is open and something has changed.
func (c *Connection) changed(differs bool) {
	if differs && c.open {
		c.entry.Change()
	}
}

// InvalidateEntry marks what others see of the connection as outdated: see roster.Entry.Invalidate.
func (c *Connection) InvalidateEntry() { c.entry.Invalidate() }

// Number is the number of the connection in the order of opening, from 1.
func (c *Connection) Number() uint64 { return c.number }

// Owner is the owner of the turns that run on behalf of the connection, also after it has closed.
func (c *Connection) Owner() *quota.Owner { return c.owner }

// SendFrame sends a frame of Encode. It is a no-op on a closed connection.
func (c *Connection) SendFrame(f *outbox.Frame) {
	if c.open {
		c.send(f, nil)
	}
}

// Send implements bind.Client.
func (c *Connection) Send(name string, fields wire.Fields) error {
	if !c.open {
		return nil
	}
	f, err := c.hub.Encode(name, fields)
	if err != nil {
		return err
	}
	c.send(f, nil)
	return nil
}

// SendOrLog sends a message that the server made itself, whose fields can always be encoded. An error would be logged.
func (c *Connection) SendOrLog(name string, fields wire.Fields) {
	if err := c.Send(name, fields); err != nil {
		c.hub.log.Error("hub: a message cannot be encoded", "name", name, "uuid", c.uuid, "error", err)
	}
}

// Prompt implements bind.Client.
func (c *Connection) Prompt(text []byte, message string) error {
	fields := wire.Members{{Name: "message", Value: cmp.Or(message, "Authorization required.")}, {Name: "code", Value: 401}}
	if text != nil {
		fields = append(wire.Members{{Name: "previous", Value: wire.Raw(c.hub.options.Redact(text))}}, fields...)
	}
	return c.Send("PromptForAuthentication", fields)
}

// Notify implements bind.Client.
func (c *Connection) Notify(sender string) {
	if c.open {
		c.Profile.Notify(sender, c.hub.loop.Now())
		c.entry.Invalidate()
	}
}

// Dismiss implements bind.Client.
func (c *Connection) Dismiss() {
	if c.Profile.Dismiss() {
		c.entry.Invalidate()
	}
}

// Subscriptions implements bind.Client.
func (c *Connection) Subscriptions() []bind.Topic { return TopicList(c.subscriptions) }
