// Package bind owns the Lua objects of clients, connection sets, topics and processes. It must not know how a message is sent,
// which is the Host's, nor which programs may be started, which is package process's.
//
// Everything here happens on the loop.
package bind

import (
	"errors"
	"log/slog"
	"net/netip"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/auth"
	"perigee/engine/handshake"
	"perigee/engine/script/api"
	"perigee/engine/script/value"
	"perigee/engine/wire"
)

// Host is the part of script.Host that has the connections and topics.
type Host interface {
	// Connections returns all open connections in the order in which they were opened. The slice must not be changed; it is the
	// same one until a connection opens or closes.
	Connections() []Client
	// Connection returns the open connection with that UUID, or nil.
	Connection(uuid string) Client
	// UserConnections returns the open connections of a user, as Connections does those of all. Users returns all users that have
	// one, sorted.
	UserConnections(user string) []Client
	Users() []string
	// Send encodes a message once and sends it to those of the clients that are open.
	Send(to []Client, name string, fields wire.Fields) error
	// Broadcast encodes a message once and sends it to every connection.
	Broadcast(name string, fields wire.Fields) error
	// Publish encodes a message once and sends it to the subscribers of a topic.
	Publish(to Topic, name string, fields wire.Fields) error
	// Remember encodes a message for later subscribers of a topic that has a history, and sends it to nobody now.
	Remember(in Topic, name string, fields wire.Fields) error
	// Close closes a client once it has got what was sent before. Code 0 means 1000; a code that must not be sent is an error.
	Close(c Client, code int, reason string) error

	// Roster sends the changes of the roster now if its interval has passed since the last time; otherwise they are sent when
	// the interval ends. Each turn ends with an implicit call.
	Roster()

	// Topics returns all topics, sorted by name; Topic finds one by name or UUID, or returns nil.
	Topics() []Topic
	Topic(nameOrUUID string) Topic
	// Register creates a topic, or returns the topic of that name. It is an error if that has other options; but scripts that
	// load may change all except its TopicAccess. If the topic is listed, every connection is told (UpdateTopics).
	Register(name string, o TopicOptions) (Topic, error)
	// Unregister removes a topic with its subscriptions and tells its subscribers (UpdateSubscriptions) and, if it was listed,
	// every connection (UpdateTopics).
	Unregister(t Topic)
}

// Limits of the application's data of a client, in bytes of JSON: every other client may get it.
const (
	MaxAttribute  = 64 << 10  // one attribute with its name; also a type, name or email
	MaxAttributes = 256 << 10 // all attributes of a client together
	MaxRow        = 1 << 20   // all fields of a client that others see
)

// Client is a connection as scripts see it. After it has closed its methods still work, but nothing is sent.
type Client interface {
	wire.Value // all fields, as in ConnectionEstablished

	UUID() string
	Open() bool
	// Connected reports whether it is open and not away.
	Connected() bool
	Admin() bool
	ResourceID() uint64
	IPAddress() netip.Addr
	// Request is the request of the present socket, or of the last one; nil if it is unknown, as after a restart.
	Request() *handshake.Request
	// Timestamp is when the connection was opened.
	Timestamp() time.Time

	// Type, Name and Email; Name and Email are "" while unknown. Setting any of them schedules a roster update.
	Type() string
	SetType(t string)
	Name() string
	SetName(n string)
	Email() string
	SetEmail(e string)
	// User is the application's id of the person, "" while unknown. Setting it schedules a roster update.
	User() string
	SetUser(id string)
	// Roles are what the person may do, in the order of setting. The slices must not be changed.
	Roles() []string
	SetRoles(roles []string)
	// FromConnect reports whether the connect hook has returned a field. SetFromConnect names all that it has returned.
	FromConnect(field string) bool
	SetFromConnect(fields []string)
	// Data is the application's private data of the connection, or nil.
	Data() wire.Value
	SetData(v wire.Value)
	// SetAdmin grants or takes admin rights.
	SetAdmin(admin bool)
	// Attribute returns the application's data of that name, or nil. SetAttribute removes it if v is nil. If v exceeds
	// MaxAttribute or MaxAttributes, it changes nothing and returns an error.
	Attribute(name string) wire.Value
	SetAttribute(name string, v wire.Value) error

	// Prompt sends PromptForAuthentication with text, the refused message without its secrets. If there is none, text is nil.
	// message is a sentence for the person; "" means the usual one.
	Prompt(text []byte, message string) error
	// Authenticate compares a password with the server's key and calls done on the loop with the result: at once if the
	// password is right, after a delay if it is wrong. A right password makes the connection an admin before done is called;
	// too many wrong ones close it.
	Authenticate(password string, done func(ok bool))

	// Notifications is an object keyed by the sender's UUID, as in UpdateNotifications.
	Notifications() wire.Value
	// Notify stores a notification, one for each sender; Dismiss clears them.
	Notify(sender string)
	Dismiss()
	// Subscriptions are sorted by name.
	Subscriptions() []Topic

	// Slot holds the Lua objects of this connection.
	Slot() *any
}

// TopicAccess says who may subscribe to a topic.
type TopicAccess struct {
	Protection auth.Protection
	// Owner is the UUID of the connection that a Client topic belongs to.
	Owner string
}

// TopicOptions are the options of a topic. For one that is nil a new topic takes the default, and an existing one keeps its own.
type TopicOptions struct {
	TopicAccess
	// Listed says whether all clients are told of the topic. By default they are not.
	Listed *bool
	// Presence says whether the topic tells its subscribers which users are present. By default it does not.
	Presence *bool
	// History is how many of its latest messages the topic keeps, 0 to MaxHistory. By default it keeps none.
	History *int
}

// MaxHistory is how many messages a topic may keep.
const MaxHistory = 1000

// Topic is a named set of connections.
type Topic interface {
	wire.Value // {name, uuid, subscribers}

	UUID() string
	Name() string
	Count() int
	// Registered reports whether it has not been removed.
	Registered() bool
	// Listed reports whether all clients are told of it.
	Listed() bool
	// Allows reports whether a connection may subscribe itself.
	Allows(c Client) bool
	// Subscribe and Unsubscribe tell the connection (UpdateSubscriptions) if something has changed. Subscribe returns an error
	// if the connection has reached its limit of subscriptions.
	Subscribe(c Client) error
	Unsubscribe(c Client)
	// Connections are in the order in which they were opened.
	Connections() []Client
	// Presence returns the users with a connection that subscribes, sorted; nil if the topic has no presence.
	Presence() []string
	// History returns the messages that the topic keeps as JSON texts, oldest first. They must not be changed.
	History() [][]byte
	Slot() *any
}

// established is the message that tells a client who it is. The base manager's open hook sends it.
const established = "ConnectionEstablished"

// Clients makes the Lua objects of connections, connection sets and topics for one generation of scripts.
type Clients struct {
	host Host
	wait api.Wait
	log  *slog.Logger

	state *lua.LState // set by Open

	// Metatables, set when the Kinds are opened.
	clients, sets, topics     *lua.LTable
	requests                  *lua.LTable
	clientMethod, clientField map[string]bool // names that attributes cannot have

	sentEstablished bool // a client has been sent established
	accesses        dataAccesses
}

// NewClients returns the bindings of a host's clients and topics.
func NewClients(host Host, wait api.Wait, log *slog.Logger) *Clients {
	cs := &Clients{host: host, wait: wait, log: log, clientMethod: map[string]bool{}, clientField: map[string]bool{}}
	for _, f := range cs.clientMethods() {
		cs.clientMethod[f.Name] = true
	}
	for _, f := range cs.clientFields() {
		cs.clientField[f.Name] = true
	}
	return cs
}

// SentEstablished reports whether ConnectionEstablished has been sent to any client.
func (cs *Clients) SentEstablished() bool { return cs.sentEstablished }

// Kinds describe clients, connection sets and topics to scripts.
func (cs *Clients) Kinds() []api.Kind {
	return []api.Kind{
		{
			Name: "client", Class: "Client", Doc: "A connection. It is the same Lua value each time, also as the key of a table.", Metatable: &cs.clients,
			Fields: cs.clientFields(), Fallback: clientAttribute, Methods: cs.clientMethods(),
			FallbackDoc: "A field of your own, with plain data; nil removes it. Everybody sees it, unless the roster hook leaves it out. After a change inside a table, set the field again. One field may have 64 KiB as JSON, and all of them 256 KiB.",
		},
		{
			Name: "connections", Class: "Connections", Doc: "A set of connections, in the order in which they were opened.",
			Metatable: &cs.sets, Methods: cs.setMethods(),
			Unsupported: map[string]string{
				"__call": "cannot iterate a connection set directly: write for client in connections:each() do",
				"__len":  "a connection set has no length: write connections:count()",
			},
		},
		{Name: "topic", Class: "Topic", Doc: "A named set of connections.", Metatable: &cs.topics, Fields: topicFields(), Methods: cs.topicMethods()},
		cs.requestKind(),
	}
}

// Open lets scripts set the fields of clients. It is called after the Kinds have been opened.
func (cs *Clients) Open(L *lua.LState) {
	cs.state = L
	cs.clients.RawSetString("__newindex", L.NewFunction(cs.setClientField))
}

// Functions are the entries of the module server.
func (cs *Clients) Functions() []api.Function {
	return []api.Function{
		{
			Name: "connections", Signature: "(): perigee.Connections",
			Doc: "Returns the set of all open connections.",
			Run: func(L *lua.LState) int { return cs.pushSet(L, cs.host.Connections()) },
		},
		{
			Name: "users", Signature: "(): string[]",
			Doc: "Returns the users of all open connections, each once, sorted.",
			Run: func(L *lua.LState) int { return api.Push(L, list(cs.host.Users())) },
		},
		{
			Name: "broadcast", Signature: "(name: string, fields?: table)",
			Doc: "Sends a message to every connection. Its fields are those of client:send.",
			Run: func(L *lua.LState) int {
				name := L.CheckString(1)
				raiseSend(L, name, cs.host.Broadcast(name, fields(L, name, 2)))
				return 0
			},
		},
		{
			Name: "roster", Signature: "()",
			Doc: "Sends what has changed of the roster now. Otherwise the server does that at the end of the turn.",
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
			return api.Push(L, topics)
		}},
		{
			Name: "register", Signature: "(name: string, options?: perigee.TopicOptions): perigee.Topic",
			Doc: "Creates a topic, or returns the topic of that name. An option that is left out has its default in a new topic, and leaves an existing one as it is. Raises an error if the topic exists with another protection; if it exists with another of the other options, unless the scripts load or boot, which change it; if the name is empty or longer than 255 bytes; and if there are limits.topics topics already.",
			Run: cs.registerTopic,
		},
		{
			Name: "unregister", Signature: "(topic: perigee.Topic|string)",
			Doc: "Removes a topic, given itself, its name or its uuid, with its subscriptions, and tells its subscribers (UpdateSubscriptions). If it was listed, everybody is told (UpdateTopics). If there is no such topic, nothing happens.",
			Run: func(L *lua.LState) int {
				if t := cs.checkTopic(L, 1); t != nil {
					cs.host.Unregister(t)
				}
				return 0
			},
		},
	}
}

// raiseSend raises the error of sending a message, if there is one.
func raiseSend(L *lua.LState, name string, err error) {
	if at, ok := errors.AsType[*value.PathError](err); ok {
		L.RaiseError("send %q: %s", name, at.Reason())
	}
	api.Raise(L, err)
}
