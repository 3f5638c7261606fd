// Package inspect shows operators the connections, users and topics of a hub, and acts on one connection. It reads long lists in
// several turns, each of which is short however many connections there are. It must not know who asks, nor what is secret.
//
// Its methods may be called by any goroutine but the loop's.
package inspect

import (
	"context"
	"encoding/json"
	"time"

	"perigee/engine/loop"
	"perigee/engine/manager/hub"
	"perigee/engine/wire"
)

const (
	sliceLength = 64               // connections that a turn looks at
	sliceTime   = time.Millisecond // that a turn takes, more or less
	timeCheck   = 8                // connections between two looks at the clock
	maxListed   = 500              // subscribers that a topic lists
	turnName    = "console"
)

// Inspector inspects a hub.
type Inspector struct {
	loop *loop.Loop
	hub  *hub.Hub
}

// New returns an Inspector of a hub that belongs to a loop.
func New(l *loop.Loop, h *hub.Hub) *Inspector { return &Inspector{l, h} }

// Connection is a connection in a list.
type Connection struct {
	UUID      string    `json:"uuid"`
	Name      string    `json:"name,omitempty"`
	Email     string    `json:"email,omitempty"`
	User      string    `json:"user,omitempty"`
	Type      string    `json:"type"`
	Roles     []string  `json:"roles,omitempty"`
	Admin     bool      `json:"admin"`
	Address   string    `json:"address"`
	Since     time.Time `json:"since"`
	Connected bool      `json:"connected"` // else it is away
	Topics    int       `json:"topics"`
	Messages  uint64    `json:"messages"` // that its client has sent on the present socket

	number uint64 // in the order of opening
}

func read(c *hub.Connection) Connection {
	return Connection{
		UUID: c.UUID(), Name: c.Name(), Email: c.Email(), User: c.User(), Type: c.Type(), Roles: c.Roles(), Admin: c.Admin(),
		Address: c.IPAddress().String(), Since: c.Timestamp(), Connected: c.Connected(), Topics: c.CountTopics(), Messages: c.CountMessages(),
		number: c.Number(),
	}
}

// visit calls look on the loop for each connection in the order of opening, from one number on, until it returns false. Between two
// turns it leaves the loop to others. look may still be called after visit has returned an error.
func (i *Inspector) visit(ctx context.Context, from uint64, look func(c *hub.Connection) (more bool)) error {
	type progress struct {
		next uint64
		done bool
	}
	for p := (progress{next: from}); !p.done; {
		var err error
		next := p.next
		if p, err = loop.Ask(ctx, i.loop, turnName, func() progress {
			began := time.Now()
			for n, c := range i.hub.AllFrom(next) {
				if n == sliceLength || n > 0 && n%timeCheck == 0 && time.Since(began) >= sliceTime {
					return progress{next: c.Number()}
				}
				if !look(c) {
					break
				}
			}
			return progress{done: true}
		}); err != nil {
			return err
		}
		if !p.done {
			time.Sleep(sliceTime)
		}
	}
	return nil
}

// Detail is all about one connection.
type Detail struct {
	Connection
	// Fields is the connection as scripts and other clients see it, or null if that has no JSON.
	Fields        json.RawMessage `json:"fields"`
	Subscriptions []string        `json:"subscriptions"` // names of topics
	Resumable     bool            `json:"resumable"`
	// BadMessages are those of the last minute, WrongPasswords those since the last right one.
	BadMessages    int      `json:"bad_messages"`
	WrongPasswords int      `json:"wrong_passwords"`
	Request        *Request `json:"request"` // that opened the connection; null if it was restored after a restart
}

// Request is the HTTP request that opened a connection.
type Request struct {
	Path      string `json:"path"`
	Origin    string `json:"origin,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
}

// Connection returns an open connection; found is false if there is none.
func (i *Inspector) Connection(ctx context.Context, uuid string) (d Detail, found bool, err error) {
	shown, err := loop.Ask(ctx, i.loop, turnName, func() *Detail {
		c := i.hub.ByUUID(uuid)
		if c == nil {
			return nil
		}
		return i.detail(c)
	})
	if err != nil || shown == nil {
		return d, false, err
	}
	return *shown, true, nil
}

func (i *Inspector) detail(c *hub.Connection) *Detail {
	d := &Detail{Connection: read(c), Subscriptions: []string{}, Resumable: c.Resumable()}
	if text, err := c.AppendJSON(nil); err == nil {
		d.Fields = text
	}
	for _, t := range c.Subscriptions() {
		d.Subscriptions = append(d.Subscriptions, t.Name())
	}
	d.BadMessages, d.WrongPasswords = c.Violations()
	if r := c.Request(); r != nil {
		d.Request = &Request{Path: r.Path(), Origin: r.Header("origin"), UserAgent: r.Header("user-agent")}
	}
	return d
}

// Send sends a message to an open connection; found is false if there is none.
func (i *Inspector) Send(ctx context.Context, uuid, name string, fields wire.Fields) (found bool, err error) {
	return i.act(ctx, uuid, func(c *hub.Connection) error { return c.Send(name, fields) })
}

// Close closes an open connection for good; found is false if there is none.
func (i *Inspector) Close(ctx context.Context, uuid string, why wire.Close) (found bool, err error) {
	return i.act(ctx, uuid, func(c *hub.Connection) error {
		c.Close(why)
		return nil
	})
}

// act does something with an open connection.
func (i *Inspector) act(ctx context.Context, uuid string, act func(c *hub.Connection) error) (found bool, err error) {
	type outcome struct {
		found bool
		err   error
	}
	o, err := loop.Ask(ctx, i.loop, turnName, func() outcome {
		c := i.hub.ByUUID(uuid)
		if c == nil {
			return outcome{}
		}
		err := act(c)
		i.hub.Flush()
		return outcome{true, err}
	})
	if err != nil {
		return false, err
	}
	return o.found, o.err
}
