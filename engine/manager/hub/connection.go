package hub

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/broker/outbox"
	"perigee/engine/handshake"
	"perigee/engine/quota"
	"perigee/engine/script/bind"
	"perigee/engine/wire"
)

// Connection is what the server knows of one client. Once closed it can still be read; all other methods are no-ops.
type Connection struct {
	profile
	hub    *Hub
	number uint64 // in the order of opening, from 1
	owner  *quota.Owner

	attributes    []attribute    // in the order of setting
	notifications []notification // in the order of each sender's first
	subscriptions []*Topic       // sorted by name

	subscriptionsUpdate update
	newTopics           []*Topic // subscriptions whose history follows the update

	resumption *resumption // nil if its client cannot resume it
	absence    *absence    // nil unless it is away

	badMessages []time.Time // when its latest bad messages came
	failures    int         // wrong passwords since the last right one

	entry         []byte // in the roster, as JSON; empty if it has none
	entryOutdated bool   // the connection is in roster.outdated
	entryChanged  bool   // the connection is in roster.changes.entries
	rosterVersion uint64 // version of the roster that it was sent last; 0 means none

	encoding bool // AppendJSON is running on it
}

// profile has what scripts read of a connection, by the methods that bind.Client describes.
type profile struct {
	conn              broker.Conn // the present one; while the connection is away, the last one
	uuid              string
	resourceID        uint64
	openedAt          time.Time
	open, admin       bool
	connected         bool
	kind, name, email string
	person            *person // nil until a script sets something of it
	slot              any
}

// person is what scripts know of the person who uses the connection.
type person struct {
	user     string
	admitted string   // the user that the connect hook has set; "" if it has set none
	given    []string // the fields that the connect hook has returned, sorted
	roles    []string
	data     wire.Value
}

func (p *profile) UUID() string                { return p.uuid }
func (p *profile) Open() bool                  { return p.open }
func (p *profile) Connected() bool             { return p.connected }
func (p *profile) Admin() bool                 { return p.admin }
func (p *profile) ResourceID() uint64          { return p.resourceID }
func (p *profile) IPAddress() netip.Addr       { return p.conn.Peer().Addr }
func (p *profile) Request() *handshake.Request { return p.conn.Request() }
func (p *profile) Timestamp() time.Time        { return p.openedAt }
func (p *profile) Type() string                { return p.kind }
func (p *profile) Name() string                { return p.name }
func (p *profile) Email() string               { return p.email }
func (p *profile) Slot() *any                  { return &p.slot }

// User implements bind.Client.
func (p *profile) User() string {
	if p.person == nil {
		return ""
	}
	return p.person.user
}

// Roles implements bind.Client.
func (p *profile) Roles() []string {
	if p.person == nil {
		return nil
	}
	return p.person.roles
}

// Data implements bind.Client.
func (p *profile) Data() wire.Value {
	if p.person == nil {
		return nil
	}
	return p.person.data
}

// SetData implements bind.Client.
func (p *profile) SetData(v wire.Value) { p.ofPerson().data = v }

// ofPerson returns what is known of the person, to be changed.
func (p *profile) ofPerson() *person {
	if p.person == nil {
		p.person = &person{}
	}
	return p.person
}

// attribute is one field of the application's own data.
type attribute struct {
	name  string
	value wire.Value
	size  int // of both as JSON when it was set, in bytes
}

// notification says that a sender pinged the connection.
type notification struct {
	uuid, sender string
	at           time.Time
}

// maxNotifications is how many notifications a connection keeps, the latest ones. Each sender can leave one, and each change
// sends all of them.
const maxNotifications = 100

// May reports whether the connection passes a protection. It is the only caller of Protection.Allows: the manager asks it for
// messages, topics ask it for subscriptions. owner is the UUID of the connection that the message or topic is about.
func (c *Connection) May(p auth.Protection, owner string) bool {
	return p.Allows(c.admin, c.uuid, owner)
}

// HasRole reports whether the connection has one of these roles, or need not: admins need none, and everybody has one of no roles.
func (c *Connection) HasRole(roles []string) bool {
	return len(roles) == 0 || c.admin || slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(c.Roles(), role) })
}

// Close closes a connection, for good. It is removed at once, so that others do not see it while its peer is slow to close;
// Options.Closed is called in a turn of its own.
func (c *Connection) Close(why wire.Close) {
	if !c.open {
		return
	}
	c.hub.sendUpdates()
	if c.absence == nil {
		c.conn.Close(why)
	}
	c.Remove()
	c.hub.loop.Next("close", func() { c.hub.options.Closed(c, why.Reason) })
}

// leave counts the places that an owner still holds for later connections from its network.
func (h *Hub) leave(o *quota.Owner, address netip.Addr) {
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
	h.leave(c.owner, c.IPAddress())
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
	if len(c.entry) > 0 {
		c.entry = nil
		h.roster.noteGone(c)
		h.roster.forced = true
		h.scheduleRoster()
	}
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
func (c *Connection) SetType(t string) { set(c, &c.kind, t) }

// SetName implements bind.Client.
func (c *Connection) SetName(n string) { set(c, &c.name, n) }

// SetEmail implements bind.Client.
func (c *Connection) SetEmail(e string) { set(c, &c.email, e) }

// SetAdmin implements bind.Client.
func (c *Connection) SetAdmin(admin bool) { set(c, &c.admin, admin) }

// Number is the number of the connection in the order of opening, from 1.
func (c *Connection) Number() uint64 { return c.number }

// Owner is the owner of the turns that run on behalf of the connection, also after it has closed.
func (c *Connection) Owner() *quota.Owner { return c.owner }

// MapValues replaces the value of each attribute, and the data, by what convert returns for it.
func (c *Connection) MapValues(convert func(name string, v wire.Value) wire.Value) {
	if c.Data() != nil {
		c.SetData(convert("data", c.Data()))
	}
	for i, a := range c.attributes {
		c.attributes[i].value = convert(a.name, a.value)
	}
}

// SendFrame sends a frame of Encode. It is a no-op on a closed connection.
func (c *Connection) SendFrame(f *outbox.Frame) {
	if c.open {
		c.conn.Send(f)
	}
}

// set changes a field that others may see in the roster.
func set[T comparable](c *Connection, field *T, v T) {
	if *field != v {
		*field = v
		c.changed()
	}
}

func (c *Connection) attributeIndex(name string) int {
	return slices.IndexFunc(c.attributes, func(a attribute) bool { return a.name == name })
}

// Attribute implements bind.Client.
func (c *Connection) Attribute(name string) wire.Value {
	if i := c.attributeIndex(name); i >= 0 {
		return c.attributes[i].value
	}
	return nil
}

// SetAttribute implements bind.Client.
func (c *Connection) SetAttribute(name string, v wire.Value) error {
	i := c.attributeIndex(name)
	if v == nil {
		if i >= 0 {
			c.attributes = slices.Delete(c.attributes, i, i+1)
			c.changed()
		}
		return nil
	}
	a := attribute{name: name, value: v}
	if err := c.measure(&a, i); err != nil {
		return err
	}
	if i >= 0 {
		c.attributes[i] = a
	} else {
		c.attributes = append(c.attributes, a)
	}
	c.changed()
	return nil
}

// measure sets the size of an attribute that will replace the one at i, or be added if i is negative. It returns an error if
// the attribute, or all of them together, would be too large.
func (c *Connection) measure(a *attribute, i int) error {
	text, err := a.value.AppendJSON(nil)
	if err != nil {
		return err
	}
	a.size = len(a.name) + len(text) + len(`"":,`)
	if a.size > bind.MaxAttribute {
		return fmt.Errorf("a field of a client may have %d KiB as JSON", bind.MaxAttribute>>10)
	}
	size := a.size
	for other, set := range c.attributes {
		if other != i {
			size += set.size
		}
	}
	if size > bind.MaxAttributes {
		return fmt.Errorf("the fields of a client may have %d KiB as JSON together", bind.MaxAttributes>>10)
	}
	return nil
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
	c.conn.Send(f)
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
		fields = append(wire.Members{{Name: "previous", Value: wire.Raw(wire.Redact(text))}}, fields...)
	}
	return c.Send("PromptForAuthentication", fields)
}

// Notify implements bind.Client.
func (c *Connection) Notify(sender string) {
	if !c.open {
		return
	}
	n := notification{uuid: wire.NewID(), sender: sender, at: c.hub.loop.Now()}
	i := slices.IndexFunc(c.notifications, func(old notification) bool { return old.sender == sender })
	if i >= 0 {
		c.notifications[i] = n
	} else {
		c.notifications = append(c.notifications, n)
	}
	if over := len(c.notifications) - maxNotifications; over > 0 {
		c.notifications = slices.Delete(c.notifications, 0, over)
	}
	c.InvalidateEntry()
}

// Dismiss implements bind.Client.
func (c *Connection) Dismiss() {
	if len(c.notifications) > 0 {
		c.notifications = nil
		c.InvalidateEntry()
	}
}

// Notifications implements bind.Client.
func (c *Connection) Notifications() wire.Value { return notifications(c.notifications) }

// Subscriptions implements bind.Client.
func (c *Connection) Subscriptions() []bind.Topic { return TopicList(c.subscriptions) }
