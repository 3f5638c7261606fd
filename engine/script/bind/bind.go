// Package bind gives scripts the server's objects: clients, connection sets, topics and processes. What becomes of a message
// is left to its Host, and which programs may be started to package process.
//
// Everything here happens on the loop.
package bind

import (
	"errors"
	"net/netip"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/auth"
	"perigee/engine/script/api"
	"perigee/engine/script/value"
	"perigee/engine/wire"
)

// Host has the connections and topics, as script.Host says.
type Host interface {
	// Connections returns all open connections in the order in which they were opened. The slice is the caller's.
	Connections() []Client
	// Connection returns nil where no open connection has that UUID.
	Connection(uuid string) Client
	// Send encodes a message once and sends it to those of the clients that are open.
	Send(to []Client, name string, fields wire.Fields) error
	// Broadcast encodes a message once and sends it to every connection.
	Broadcast(name string, fields wire.Fields) error
	// Publish encodes a message once and sends it to the subscribers of a topic.
	Publish(to Topic, name string, fields wire.Fields) error
	// Close closes a client after what was sent before. Code 0 means 1000; a code that must not be sent is an error.
	Close(c Client, code int, reason string) error

	// Roster sends what changed of the roster now, if the roster's interval has passed since the last time; else it goes
	// out when the interval ends. Changes that a turn leaves behind go out as if Roster were called at its end.
	Roster()

	// Topics returns all topics, sorted by name; Topic finds one by name or UUID, or returns nil.
	Topics() []Topic
	Topic(nameOrUUID string) Topic
	// Register creates a topic and tells every connection (UpdateTopics), or returns the one of that name and these
	// options; one with others is an error.
	Register(name string, o TopicOptions) (Topic, error)
	// Unregister removes a topic with its subscriptions and tells its subscribers (UpdateSubscriptions) and every
	// connection (UpdateTopics).
	Unregister(t Topic)
}

// What the application keeps with a client travels to everybody: these are the bytes that it may have as JSON.
const (
	MaxAttribute  = 64 << 10  // one attribute, with its name; also a type, name or email
	MaxAttributes = 256 << 10 // all attributes of a client together
	MaxRow        = 1 << 20   // all that others see of a client
)

// Client is a connection as scripts see it. A closed one answers and swallows sends.
type Client interface {
	wire.Value // every field, as ConnectionEstablished shows it

	UUID() string
	Open() bool
	Admin() bool
	ResourceID() uint64
	IPAddress() netip.Addr
	// Timestamp is when the connection was opened.
	Timestamp() time.Time

	// Type, Name and Email; Name and Email are "" while unknown. Setting any of them schedules a roster update.
	Type() string
	SetType(t string)
	Name() string
	SetName(n string)
	Email() string
	SetEmail(e string)
	// SetAdmin grants or takes admin rights.
	SetAdmin(admin bool)
	// Attribute returns the application's own data under that name, nil where there is none; setting nil removes it. The
	// error of SetAttribute, which has then changed nothing, says which of MaxAttribute and MaxAttributes it breaks.
	Attribute(name string) wire.Value
	SetAttribute(name string, v wire.Value) error

	// Prompt sends PromptForAuthentication with text, the refused message, less its secrets; nil where there is none.
	Prompt(text []byte) error
	// Authenticate compares a password with the server's key and calls done on the loop with the answer, at once when
	// it is right, after a pause when it is wrong. A right one makes the connection an admin before done is called;
	// too many wrong ones close it.
	Authenticate(password string, done func(ok bool))

	// Notifications is an object keyed by the sender's UUID, as UpdateNotifications has it.
	Notifications() wire.Value
	// Notify stores a notification, one a sender; Dismiss clears them.
	Notify(sender string)
	Dismiss()
	// Subscriptions are sorted by name.
	Subscriptions() []Topic

	// Slot is where the scripts keep their own view of this connection.
	Slot() *any
}

// TopicOptions say who may subscribe.
type TopicOptions struct {
	Protection auth.Protection
	// Owner is the UUID of the connection that a Client topic belongs to.
	Owner string
}

// Topic is a named set of connections.
type Topic interface {
	wire.Value // {name, uuid, subscribers}

	UUID() string
	Name() string
	Count() int
	// Registered is false once it has been removed.
	Registered() bool
	// Allows tells whether a connection may subscribe itself.
	Allows(c Client) bool
	// Subscribe and Unsubscribe tell the connection (UpdateSubscriptions) when something changed. Subscribe returns an
	// error when the connection has as many subscriptions as it may have.
	Subscribe(c Client) error
	Unsubscribe(c Client)
	// Connections are in the order in which they were opened.
	Connections() []Client
	Slot() *any
}

// established is the message that tells a client who it is, as the base manager's open hook sends it.
const established = "ConnectionEstablished"

// Clients has the objects that stand for connections and topics in one generation of scripts.
type Clients struct {
	host Host
	wait func(L *lua.LState, start func(wake func()) (callOff func()))

	// Metatables, from Kinds on.
	clients, lists, topics    *lua.LTable
	clientMethod, clientField map[string]bool // by name; what the application adds cannot be called so

	greeted bool // a client was told who it is
}

// NewClients returns the objects of a host. wait suspends the handler that L runs, as promise.Keeper has it.
func NewClients(host Host, wait func(L *lua.LState, start func(wake func()) (callOff func()))) *Clients {
	cs := &Clients{host: host, wait: wait, clientMethod: map[string]bool{}, clientField: map[string]bool{}}
	for _, f := range cs.clientMethods() {
		cs.clientMethod[f.Name] = true
	}
	for _, f := range clientFields() {
		cs.clientField[f.Name] = true
	}
	return cs
}

// Greeted tells whether a client has been told who it is.
func (cs *Clients) Greeted() bool { return cs.greeted }

// Kinds are what scripts hold.
func (cs *Clients) Kinds() []api.Kind {
	return []api.Kind{
		{
			Name: "client", Class: "Client", Doc: "A connection.", As: &cs.clients,
			Fields: clientFields(), Other: clientAttribute, Methods: cs.clientMethods(),
		},
		{
			Name: "connections", Class: "Connections", Doc: "A choice of connections, in the order in which they were opened.",
			As: &cs.lists, Methods: cs.listMethods(),
			Instead: map[string]string{
				"__call": "a choice of connections is no iterator: write for client in connections:each() do",
				"__len":  "a choice of connections has no length: write connections:count()",
			},
		},
		{
			Name: "topic", Class: "Topic", Doc: "A named set of connections.", As: &cs.topics,
			Fields: topicFields(), Methods: cs.topicMethods(),
		},
	}
}

// Open lets scripts set the fields of clients. It comes after the Kinds have been opened.
func (cs *Clients) Open(L *lua.LState) {
	cs.clients.RawSetString("__newindex", L.NewFunction(cs.setClientField))
}

// Functions are those of the module server.
func (cs *Clients) Functions() []api.Function {
	return []api.Function{
		{
			Name: "connections", Signature: "(): perigee.Connections",
			Doc: "Returns all open connections.",
			Run: func(L *lua.LState) int { return cs.pushList(L, cs.host.Connections()) },
		},
		{
			Name: "broadcast", Signature: "(name: string, fields?: table)",
			Doc: "Sends a message to every connection.",
			Run: func(L *lua.LState) int {
				name := L.CheckString(1)
				sent(L, name, cs.host.Broadcast(name, fields(L, 2)))
				return 0
			},
		},
		{
			Name: "roster", Signature: "()",
			Doc: "Sends what changed of the roster at this point of the turn.",
			Run: func(*lua.LState) int { cs.host.Roster(); return 0 },
		},
		{
			Name: "topic", Signature: "(key: string): perigee.Topic?",
			Doc: "Returns the topic of that name or uuid, or nil.",
			Run: func(L *lua.LState) int { return cs.pushTopic(L, cs.host.Topic(L.CheckString(1))) },
		},
		{Name: "topics", Signature: "(): perigee.Topic[]", Doc: "Returns all topics, sorted by name.", Run: func(L *lua.LState) int {
			topics := L.NewTable()
			for _, t := range cs.host.Topics() {
				topics.Append(cs.topic(t))
			}
			L.Push(topics)
			return 1
		}},
		{
			Name: "register", Signature: "(name: string, options?: perigee.TopicOptions): perigee.Topic",
			Doc: "Makes a topic, or returns the one of that name.", Run: cs.registerTopic,
		},
		{
			Name: "unregister", Signature: "(topic: perigee.Topic|string)",
			Doc: "Removes a topic, or the one of that name or uuid, with its subscriptions.",
			Run: func(L *lua.LState) int {
				if t := cs.checkTopic(L, 1); t != nil {
					cs.host.Unregister(t)
				}
				return 0
			},
		},
	}
}

// fields returns an argument as the fields of a message: a table, or nothing.
func fields(L *lua.LState, n int) wire.Fields { return value.Fields{Table: L.OptTable(n, nil)} }

// sent raises why a message could not be sent.
func sent(L *lua.LState, name string, err error) {
	if at, ok := errors.AsType[*value.PathError](err); ok {
		L.RaiseError("send %q: %s", name, at.Reason())
	}
	api.Raise(L, err)
}
