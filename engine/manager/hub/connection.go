package hub

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"perigee/engine/broker"
	"perigee/engine/broker/outbox"
	"perigee/engine/script/bind"
	"perigee/engine/wire"
)

// Connection is what the server knows of one client. Once closed it answers still, and does nothing any more.
type Connection struct {
	crowd  *Crowd
	socket broker.Conn
	uuid   string
	number uint64 // in the order of opening, from 1
	open   bool

	admin             bool
	kind, name, email string
	attributes        []attribute    // in the order of setting
	notifications     []notification // in the order of each sender's first
	subscriptions     []*Topic       // sorted by name
	news              notice         // UpdateSubscriptions

	bad      []time.Time // when its latest bad messages came
	failures int         // passwords that were wrong since the last right one

	row    []byte // what others see of it, as JSON; empty is nothing
	stale  bool   // row is out of date; then it stands in roster.stale
	roster uint64 // the version it was sent last, 0 is none

	encoding bool // AppendJSON is at work on it

	slot any
}

// attribute is the application's own data.
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

// maxNotifications is how many notifications a connection keeps, the latest ones: senders come and go, each could leave
// one, and all of them travel with each.
const maxNotifications = 100

// Add takes in a new connection, before its open hook.
func (cr *Crowd) Add(s broker.Conn, uuid string) *Connection {
	cr.opened++
	c := &Connection{crowd: cr, socket: s, uuid: uuid, number: cr.opened, open: true, kind: "anonymous"}
	c.news.send = c.tellSubscriptions
	cr.sockets[s] = c
	cr.uuids[uuid] = c
	cr.order = append(cr.order, c)
	cr.roster.newcomers = append(cr.roster.newcomers, c)
	s.Subscribe(everybody)
	c.changed()
	return c
}

// End closes a connection. It leaves at once, so that a peer that is slow to go is seen by nobody; the close hook runs in
// a turn of its own.
func (c *Connection) End(why wire.Close) {
	if !c.open {
		return
	}
	c.crowd.tellFirst()
	c.socket.Close(why)
	c.Leave()
	c.crowd.loop.Next("close", func() { c.crowd.options.Closed(c, why.Reason) })
}

// Leave takes a connection out of everything.
func (c *Connection) Leave() {
	cr := c.crowd
	c.open = false
	delete(cr.sockets, c.socket)
	delete(cr.uuids, c.uuid)
	cr.order = without(cr.order, c)
	for _, t := range c.subscriptions {
		t.subscribers = without(t.subscribers, c)
	}
	c.subscriptions = nil
	cr.forgetRow(c)
}

// place finds where a number stands, or would, in a list in the order of opening.
func place(list []*Connection, number uint64) int {
	i, _ := slices.BinarySearchFunc(list, number, func(c *Connection, number uint64) int {
		return cmp.Compare(c.number, number)
	})
	return i
}

// without takes a connection out of a list in the order of opening, in which it stands.
func without(list []*Connection, c *Connection) []*Connection {
	i := place(list, c.number)
	return slices.Delete(list, i, i+1)
}

// clients is a list as scripts get it.
func clients(list []*Connection) []bind.Client {
	all := make([]bind.Client, len(list))
	for i, c := range list {
		all[i] = c
	}
	return all
}

// UUID implements bind.Client.
func (c *Connection) UUID() string { return c.uuid }

// Open implements bind.Client.
func (c *Connection) Open() bool { return c.open }

// Admin implements bind.Client.
func (c *Connection) Admin() bool { return c.admin }

// ResourceID implements bind.Client.
func (c *Connection) ResourceID() uint64 { return c.socket.ID() }

// IPAddress implements bind.Client.
func (c *Connection) IPAddress() netip.Addr { return c.socket.Peer().Addr }

// Timestamp implements bind.Client.
func (c *Connection) Timestamp() time.Time { return c.socket.OpenedAt() }

// Type implements bind.Client.
func (c *Connection) Type() string { return c.kind }

// Name implements bind.Client.
func (c *Connection) Name() string { return c.name }

// Email implements bind.Client.
func (c *Connection) Email() string { return c.email }

// SetType implements bind.Client.
func (c *Connection) SetType(t string) { set(c, &c.kind, t) }

// SetName implements bind.Client.
func (c *Connection) SetName(n string) { set(c, &c.name, n) }

// SetEmail implements bind.Client.
func (c *Connection) SetEmail(e string) { set(c, &c.email, e) }

// SetAdmin implements bind.Client.
func (c *Connection) SetAdmin(admin bool) { set(c, &c.admin, admin) }

// Slot implements bind.Client.
func (c *Connection) Slot() *any { return &c.slot }

// Number counts the connections, from 1.
func (c *Connection) Number() uint64 { return c.number }

// Attributes has each of the application's own data replaced by what renew makes of it.
func (c *Connection) Attributes(renew func(name string, v wire.Value) wire.Value) {
	for i, a := range c.attributes {
		c.attributes[i].value = renew(a.name, a.value)
	}
}

// SendFrame sends a frame of Encode; a closed connection swallows it.
func (c *Connection) SendFrame(f *outbox.Frame) {
	if c.open {
		c.socket.Send(f)
	}
}

// set changes a field that others may see.
func set[T comparable](c *Connection, field *T, v T) {
	if *field != v {
		*field = v
		c.changed()
	}
}

func (c *Connection) attribute(name string) int {
	return slices.IndexFunc(c.attributes, func(a attribute) bool { return a.name == name })
}

// Attribute implements bind.Client.
func (c *Connection) Attribute(name string) wire.Value {
	if i := c.attribute(name); i >= 0 {
		return c.attributes[i].value
	}
	return nil
}

// SetAttribute implements bind.Client.
func (c *Connection) SetAttribute(name string, v wire.Value) error {
	i := c.attribute(name)
	if v == nil {
		if i >= 0 {
			c.attributes = slices.Delete(c.attributes, i, i+1)
			c.changed()
		}
		return nil
	}
	set := attribute{name: name, value: v}
	if err := c.measure(&set, i); err != nil {
		return err
	}
	if i >= 0 {
		c.attributes[i] = set
	} else {
		c.attributes = append(c.attributes, set)
	}
	c.changed()
	return nil
}

// measure sets the size of an attribute that is to take the place of the one at i, if any; an error where there is no room
// for it.
func (c *Connection) measure(a *attribute, i int) error {
	text, err := a.value.AppendJSON(nil)
	if err != nil {
		return err
	}
	a.size = len(a.name) + len(text) + len(`"":,`)
	if a.size > bind.MaxAttribute {
		return fmt.Errorf("crowd: a field of a client may have %d KiB as JSON", bind.MaxAttribute>>10)
	}
	size := a.size
	for other, set := range c.attributes {
		if other != i {
			size += set.size
		}
	}
	if size > bind.MaxAttributes {
		return fmt.Errorf("crowd: the fields of a client may have %d KiB as JSON together", bind.MaxAttributes>>10)
	}
	return nil
}

// Send implements bind.Client.
func (c *Connection) Send(name string, fields wire.Fields) error {
	if !c.open {
		return nil
	}
	f, err := c.crowd.Encode(name, fields)
	if err != nil {
		return err
	}
	c.socket.Send(f)
	return nil
}

// SendOwn sends what the server made itself; its fields can always be encoded.
func (c *Connection) SendOwn(name string, fields wire.Fields) {
	if err := c.Send(name, fields); err != nil {
		c.crowd.log.Error("crowd: sending", "name", name, "uuid", c.uuid, "error", err)
	}
}

// Prompt implements bind.Client.
func (c *Connection) Prompt(text []byte) error {
	fields := wire.Members{{Name: "message", Value: "Authorization required."}, {Name: "code", Value: 401}}
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
	n := notification{uuid: wire.NewID(), sender: sender, at: c.crowd.loop.Now()}
	i := slices.IndexFunc(c.notifications, func(old notification) bool { return old.sender == sender })
	if i >= 0 {
		c.notifications[i] = n
	} else {
		c.notifications = append(c.notifications, n)
	}
	if over := len(c.notifications) - maxNotifications; over > 0 {
		c.notifications = slices.Delete(c.notifications, 0, over)
	}
	c.Outdate()
}

// Dismiss implements bind.Client.
func (c *Connection) Dismiss() {
	if len(c.notifications) > 0 {
		c.notifications = nil
		c.Outdate()
	}
}

// Notifications implements bind.Client.
func (c *Connection) Notifications() wire.Value { return notifications(c.notifications) }

// Subscriptions implements bind.Client.
func (c *Connection) Subscriptions() []bind.Topic { return TopicList(c.subscriptions) }
