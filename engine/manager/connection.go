package manager

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"perigee/engine/script"
	"perigee/engine/wire"
)

// connection is what the server knows of one client. Once closed it answers still, and does nothing any more.
type connection struct {
	manager *Manager
	socket  Socket
	uuid    string
	number  uint64 // in the order of opening, from 1
	open    bool

	admin             bool
	kind, name, email string
	attributes        []attribute    // in the order of setting
	notifications     []notification // in the order of each sender's first
	subscriptions     []*topic       // sorted by name
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

// attach takes in a new connection and calls the open hook.
func (m *Manager) attach(s Socket, uuid string) {
	m.opened++
	c := &connection{manager: m, socket: s, uuid: uuid, number: m.opened, open: true, kind: "anonymous"}
	c.news.send = c.tellSubscriptions
	m.sockets[s] = c
	m.uuids[uuid] = c
	m.order = append(m.order, c)
	m.roster.newcomers = append(m.roster.newcomers, c)
	s.Subscribe(everybody)
	c.changed()
	g := m.generation.Load()
	if err := g.application.Open(c); err != nil {
		m.fail(g.number, "open", c, "", err)
	}
	m.settle()
}

// detach is told that a socket is closed. The close hook of one that the server closed has run, or is about to.
func (m *Manager) detach(s Socket, why wire.Close) {
	if c := m.sockets[s]; c != nil {
		c.leave()
		m.closed(c, why.Reason)
	}
}

// closed calls the close hook for a connection that has left.
func (m *Manager) closed(c *connection, reason string) {
	g := m.generation.Load()
	if err := g.application.Closed(c, reason); err != nil {
		m.fail(g.number, "close", c, "", err)
	}
	m.settle()
}

// end closes a connection. It leaves at once, so that a peer that is slow to go is seen by nobody; the close hook runs in
// a turn of its own.
func (c *connection) end(why wire.Close) {
	if !c.open {
		return
	}
	c.manager.tellFirst()
	c.socket.Close(why)
	c.leave()
	c.manager.loop.Next("close", func() { c.manager.closed(c, why.Reason) })
}

// leave takes a connection out of everything.
func (c *connection) leave() {
	m := c.manager
	c.open = false
	delete(m.sockets, c.socket)
	delete(m.uuids, c.uuid)
	m.order = without(m.order, c)
	for _, t := range c.subscriptions {
		t.subscribers = without(t.subscribers, c)
	}
	c.subscriptions = nil
	m.forgetRow(c)
}

// place finds where a number stands, or would, in a list in the order of opening.
func place(list []*connection, number uint64) int {
	i, _ := slices.BinarySearchFunc(list, number, func(c *connection, number uint64) int {
		return cmp.Compare(c.number, number)
	})
	return i
}

// without takes a connection out of a list in the order of opening, in which it stands.
func without(list []*connection, c *connection) []*connection {
	i := place(list, c.number)
	return slices.Delete(list, i, i+1)
}

// clients is a list as scripts get it.
func clients(list []*connection) []script.Client {
	all := make([]script.Client, len(list))
	for i, c := range list {
		all[i] = c
	}
	return all
}

func (c *connection) UUID() string          { return c.uuid }
func (c *connection) Open() bool            { return c.open }
func (c *connection) Admin() bool           { return c.admin }
func (c *connection) ResourceID() uint64    { return c.socket.ID() }
func (c *connection) IPAddress() netip.Addr { return c.socket.Peer().Addr }
func (c *connection) Timestamp() time.Time  { return c.socket.OpenedAt() }
func (c *connection) Type() string          { return c.kind }
func (c *connection) Name() string          { return c.name }
func (c *connection) Email() string         { return c.email }
func (c *connection) SetType(t string)      { set(c, &c.kind, t) }
func (c *connection) SetName(n string)      { set(c, &c.name, n) }
func (c *connection) SetEmail(e string)     { set(c, &c.email, e) }
func (c *connection) SetAdmin(admin bool)   { set(c, &c.admin, admin) }
func (c *connection) Slot() *any            { return &c.slot }

// set changes a field that others may see.
func set[T comparable](c *connection, field *T, v T) {
	if *field != v {
		*field = v
		c.changed()
	}
}

func (c *connection) attribute(name string) int {
	return slices.IndexFunc(c.attributes, func(a attribute) bool { return a.name == name })
}

func (c *connection) Attribute(name string) wire.Value {
	if i := c.attribute(name); i >= 0 {
		return c.attributes[i].value
	}
	return nil
}

func (c *connection) SetAttribute(name string, v wire.Value) error {
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
func (c *connection) measure(a *attribute, i int) error {
	text, err := a.value.AppendJSON(nil)
	if err != nil {
		return err
	}
	a.size = len(a.name) + len(text) + len(`"":,`)
	if a.size > script.MaxAttribute {
		return fmt.Errorf("manager: a field of a client may have %d KiB as JSON", script.MaxAttribute>>10)
	}
	size := a.size
	for other, set := range c.attributes {
		if other != i {
			size += set.size
		}
	}
	if size > script.MaxAttributes {
		return fmt.Errorf("manager: the fields of a client may have %d KiB as JSON together", script.MaxAttributes>>10)
	}
	return nil
}

func (c *connection) Send(name string, fields wire.Fields) error {
	if !c.open {
		return nil
	}
	f, _, err := c.manager.encode(name, fields)
	if err != nil {
		return err
	}
	c.socket.Send(f)
	return nil
}

// sendOwn sends what the manager made itself; its fields can always be encoded.
func (c *connection) sendOwn(name string, fields wire.Fields) {
	if err := c.Send(name, fields); err != nil {
		c.manager.log.Error("manager: sending", "name", name, "uuid", c.uuid, "error", err)
	}
}

func (c *connection) Prompt(text []byte) error {
	fields := wire.Members{{Name: "message", Value: "Authorization required."}, {Name: "code", Value: 401}}
	if text != nil {
		fields = append(wire.Members{{Name: "previous", Value: wire.Raw(wire.Redact(text))}}, fields...)
	}
	return c.Send("PromptForAuthentication", fields)
}

func (c *connection) Notify(sender string) {
	if !c.open {
		return
	}
	n := notification{uuid: wire.NewID(), sender: sender, at: c.manager.loop.Now()}
	i := slices.IndexFunc(c.notifications, func(old notification) bool { return old.sender == sender })
	if i >= 0 {
		c.notifications[i] = n
	} else {
		c.notifications = append(c.notifications, n)
	}
	if over := len(c.notifications) - maxNotifications; over > 0 {
		c.notifications = slices.Delete(c.notifications, 0, over)
	}
	c.outdate()
}

func (c *connection) Dismiss() {
	if len(c.notifications) > 0 {
		c.notifications = nil
		c.outdate()
	}
}

func (c *connection) Notifications() wire.Value { return notifications(c.notifications) }

func (c *connection) Subscriptions() []script.Topic { return topicList(c.subscriptions) }
