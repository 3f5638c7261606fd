package bind

import (
	"fmt"
	"slices"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
	"perigee/engine/script/operator"
	"perigee/engine/script/value"
	"perigee/engine/wire"
)

// connection is the Lua object of a Client. It encodes as the connection's JSON object.
type connection struct {
	Client
	dataAccessed bool // in this slice; see dataAccesses
}

func (c *connection) String() string { return fmt.Sprintf("client %s (%s)", c.UUID(), c.Type()) }

// binding is the Lua object of a connection or topic in one generation of scripts. It is kept in the Slot. While handlers of
// earlier generations still run, each generation has its own.
type binding struct {
	clients *Clients
	object  *lua.LUserData
	next    *binding
}

// object returns the Lua object of a connection or topic. It makes it the first time.
func (cs *Clients) object(slot *any, make func() *lua.LUserData) *lua.LUserData {
	first, _ := (*slot).(*binding)
	for b := first; b != nil; b = b.next {
		if b.clients == cs {
			return b.object
		}
	}
	b := &binding{clients: cs, object: make(), next: first}
	*slot = b
	return b.object
}

// Forget drops the Lua object of a connection or topic.
func (cs *Clients) Forget(slot *any) {
	first, _ := (*slot).(*binding)
	*slot = nil
	for b := first; b != nil; b = b.next {
		if b.clients != cs {
			next, _ := (*slot).(*binding)
			*slot = &binding{clients: b.clients, object: b.object, next: next}
		}
	}
}

// Replace returns the object of this generation for one of another generation; nil if there is none.
func (cs *Clients) Replace(v lua.LValue) lua.LValue {
	if held, ok := v.(*lua.LUserData); ok {
		switch of := held.Value.(type) {
		case *connection:
			return cs.Client(of.Client)
		case *topic:
			return cs.topic(of.Topic)
		}
	}
	return nil
}

// Client returns the Lua object of a connection.
func (cs *Clients) Client(c Client) *lua.LUserData {
	return cs.object(c.Slot(), func() *lua.LUserData { return api.NewObject(&connection{Client: c}, cs.clients) })
}

// checkClient returns an argument that must be a client.
func checkClient(L *lua.LState, n int) *connection {
	if c, ok := api.ObjectOf[*connection](L.Get(n)); ok {
		return c
	}
	L.ArgError(n, "client expected, got "+L.Get(n).Type().String())
	return nil
}

// clientFields are the fields of a client; all others are attributes of the application.
func (cs *Clients) clientFields() []api.Field {
	get := api.Getter[*connection]
	return []api.Field{
		{
			Name: "uuid", Type: "string",
			Doc: "Identifies the connection, not the person: a new connection has a new one. Read-only.",
			Get: get(func(c *connection) lua.LValue { return lua.LString(c.UUID()) }),
		},
		{Name: "resource_id", Type: "integer", Doc: "The number of the connection. Read-only.", Get: get(func(c *connection) lua.LValue { return lua.LNumber(c.ResourceID()) })},
		{Name: "ip_address", Type: "string", Doc: "The client's address. Read-only.", Get: get(func(c *connection) lua.LValue { return lua.LString(c.IPAddress().String()) })},
		{
			Name: "timestamp", Type: "integer",
			Doc: "When it was opened, in whole seconds since 1970. Read-only.",
			Get: get(func(c *connection) lua.LValue { return lua.LNumber(c.Timestamp().Unix()) }),
		},
		{
			Name: "open", Type: "boolean",
			Doc: "False once it has closed. Messages to a closed client are dropped. Read-only.",
			Get: get(func(c *connection) lua.LValue { return lua.LBool(c.Open()) }),
		},
		{
			Name: "connected", Type: "boolean",
			Doc: "False while it is away: its connection is lost and may come back. What it is sent meanwhile is kept. Also false once it has closed. Read-only.",
			Get: get(func(c *connection) lua.LValue { return lua.LBool(c.Connected()) }),
		},
		{
			Name: "request", Type: "perigee.Request?",
			Doc: "The HTTP request with which the client came, or came back. Other clients never see it. After a restart it is nil until the client is back. Read-only.",
			Get: get(func(c *connection) lua.LValue { return cs.Request(c.Request(), c.IPAddress()) }),
		},
		{
			Name: "protocol", Type: "string?",
			Doc: "The WebSocket subprotocol: the first one that the client offers and server.protocols lists, or the one of connections that can be resumed. Read-only.",
			Get: get(func(c *connection) lua.LValue {
				if r := c.Request(); r != nil {
					return stringOrNil(r.Protocol)
				}
				return lua.LNil
			}),
		},
		{
			Name: "type", Type: "string",
			Doc: "\"anonymous\" until it joins as \"player\" or \"spectator\", or a script sets it. A string that is not empty; everybody sees a change in the next roster.",
			Get: get(func(c *connection) lua.LValue { return lua.LString(c.Type()) }),
		},
		{
			Name: "name", Type: "string?",
			Doc: "Can be set to a string or nil; everybody sees a change in the next roster.",
			Get: get(func(c *connection) lua.LValue { return stringOrNil(c.Name()) }),
		},
		{
			Name: "email", Type: "string?",
			Doc: "Can be set to a string or nil. The base manager's roster hook leaves it out.",
			Get: get(func(c *connection) lua.LValue { return stringOrNil(c.Email()) }),
		},
		{
			Name: "user", Type: "string?",
			Doc: "Your application's id of the person, nil at first. Can be set to a string of up to 255 bytes, a number, or nil; everybody sees a change in the next roster. server.connections():user(id) finds all connections of a person.",
			Get: get(func(c *connection) lua.LValue { return stringOrNil(c.User()) }),
		},
		{
			Name: "roles", Type: "string[]",
			Doc: "What the person may do: see the option roles of server.message. A copy, which is empty at first: set the field to change it, to a list of up to 100 strings, or nil. The base manager's roster hook leaves it out.",
			Get: get(func(c *connection) lua.LValue { return list(c.Roles()) }),
		},
		{
			Name: "data", Type: "table",
			Doc: "Your own table for this connection, empty at first. Other clients never see it, and a reload keeps it. It takes plain data only, as server.state does, up to 64 KiB as JSON. If a handler leaves anything else in it, the table gets back what it had before, and the log names the handler; a spec fails.",
			Get: get(func(c *connection) lua.LValue { return cs.data(c) }),
		},
		{
			Name: "admin", Type: "boolean",
			Doc: "Whether it is an admin. Can be set: a script may make an admin of a person that it knows by other means.",
			Get: get(func(c *connection) lua.LValue { return lua.LBool(c.Admin()) }),
		},
	}
}

// clientAttribute returns an attribute of a client.
func clientAttribute(object any, name string) lua.LValue {
	c, ok := object.(*connection)
	if !ok {
		return lua.LNil
	}
	return api.ToLua(c.Attribute(name))
}

func stringOrNil(s string) lua.LValue {
	if s == "" {
		return lua.LNil
	}
	return lua.LString(s)
}

// setClientField is the __newindex of clients.
func (cs *Clients) setClientField(L *lua.LState) int {
	cs.setField(L, checkClient(L, 1), L.CheckString(2), L.Get(3))
	return 0
}

// SetFields sets the fields of a client that the connect hook has returned, as scripts set them.
func (cs *Clients) SetFields(L *lua.LState, c Client, fields *lua.LTable) {
	object, ok := cs.Client(c).Value.(*connection)
	if !ok {
		return
	}
	var names []string
	for key, v := fields.Next(lua.LNil); key != lua.LNil; key, v = fields.Next(key) {
		name, ok := key.(lua.LString)
		if !ok {
			L.RaiseError("the fields of a client have names; found the key %s", key)
		}
		cs.setField(L, object, string(name), v)
		names = append(names, string(name))
	}
	slices.Sort(names)
	c.SetFromConnect(names)
}

// setField sets a field of a client.
func (cs *Clients) setField(L *lua.LState, c *connection, field string, v lua.LValue) {
	switch field {
	case "type":
		if v == lua.LNil || v == lua.LString("") {
			L.RaiseError("client.type must not be empty")
		}
		c.SetType(stringField(L, field, v))
	case "name":
		c.SetName(stringField(L, field, v))
	case "email":
		c.SetEmail(stringField(L, field, v))
	case "user":
		c.SetUser(userField(L, v))
	case "roles":
		roles, err := api.Roles(v)
		if err != nil {
			L.RaiseError("client.roles %s", err)
		}
		c.SetRoles(roles)
	case "data":
		cs.setData(L, c, v)
	case "admin":
		admin, ok := v.(lua.LBool)
		if !ok {
			L.RaiseError("client.admin must be true or false, not a %s", v.Type())
		}
		c.SetAdmin(bool(admin))
	default:
		if cs.clientField[field] {
			L.RaiseError("client.%s is read-only", field)
		}
		cs.setAttribute(L, c, field, v)
	}
}

// setAttribute sets an attribute of a client. It must be plain data, which can be sent to clients.
func (cs *Clients) setAttribute(L *lua.LState, c Client, field string, v lua.LValue) {
	if cs.clientMethod[field] {
		L.RaiseError("client.%s is a method and cannot be set", field)
	}
	if v == lua.LNil {
		api.Raise(L, c.SetAttribute(field, nil))
		return
	}
	if _, err := value.Copy(v); err != nil {
		L.RaiseError("client.%s must be plain data: %s", field, api.Sentence(err))
	}
	if err := c.SetAttribute(field, value.Value{LValue: v, Text: MaxAttribute}); err != nil {
		L.RaiseError("client.%s: %s", field, api.Sentence(err))
	}
}

// list returns strings as a new table.
func list(texts []string) lua.LValue {
	t, err := value.FromGo(texts)
	if err != nil {
		return lua.LNil // never: strings have a Lua value
	}
	return t
}

// MaxUser is how many bytes client.user may have.
const MaxUser = 255

func userField(L *lua.LState, v lua.LValue) string {
	user := stringField(L, "user", v)
	if len(user) > MaxUser {
		L.RaiseError("client.user must not be longer than %d bytes", MaxUser)
	}
	return user
}

func stringField(L *lua.LState, field string, v lua.LValue) string {
	switch v := v.(type) {
	case *lua.LNilType:
		return ""
	case lua.LString:
		if len(v) > MaxAttribute {
			L.RaiseError("client.%s must not be longer than %d KiB", field, MaxAttribute>>10)
		}
		return string(v)
	case lua.LNumber:
		return operator.Text(float64(v))
	}
	L.RaiseError("client.%s must be a string, not a %s", field, v.Type())
	return ""
}

func (cs *Clients) clientMethods() []api.Function {
	return []api.Function{
		{
			Name: "send", Signature: "(name: string, fields?: table)",
			Doc: "Sends it a message. A client or a topic in a field becomes its JSON object. Raises an error if a field is called id, name or timestamp, which every message has of its own, if one has no JSON form, or if the message has more than 16 MiB as JSON. A message to a closed client is dropped.",
			Run: func(L *lua.LState) int {
				c := api.Self[*connection](L, "send").Client
				name := L.CheckString(2)
				cs.sentEstablished = cs.sentEstablished || name == established
				raiseSend(L, name, cs.host.Send([]Client{c}, name, fields(L, name, 3)))
				return 0
			},
		},
		{
			Name: "reply", Signature: "(name: string, fields?: table)",
			Doc: "Sends it a message, as client:send does, in answer to the message that is being handled: the field previous is the id of that message. Without an id, outside of a handler, and for a client that did not send the message, it is client:send.",
			Run: cs.reply,
		},
		{
			Name: "fail", Signature: "(exception: string, message: string, code: integer, answered?: table)",
			Doc: "Tells it with a MessageException that the message that is being handled was not carried out. exception is a stable word for programs, message a sentence for people, and code a number like those of HTTP; previous is as in client:reply, or the id of the message that you give as answered.",
			Run: cs.fail,
		},
		{
			Name: "close", Signature: "(code?: integer, reason?: string)",
			Doc: "Closes it, after what was sent before. The default code is 1000; use 3000 to 4999 for reasons of your own.",
			Run: func(L *lua.LState) int {
				c := api.Self[*connection](L, "close").Client
				api.Raise(L, cs.host.Close(c, L.OptInt(2, 0), L.OptString(3, "")))
				return 0
			},
		},
		{
			Name: "prompt", Signature: "(message?: string)",
			Doc: "Asks the person to sign in because of the message that is being handled. The client gets PromptForAuthentication with that message, secrets excepted, and with a sentence for the person: \"Authorization required.\", unless you give another one.",
			Run: func(L *lua.LState) int {
				api.Raise(L, api.Self[*connection](L, "prompt").Prompt(api.Caller(L).Message.Text, L.OptString(2, "")))
				return 0
			},
		},
		{
			Name: "authenticate", Signature: "(password?: string): boolean",
			Doc: "Checks a password, and waits for the result: a wrong one takes up to 500 ms. Returns true and makes the client an admin if the password is right, else returns false.",
			Run: cs.authenticate,
		},
		{
			Name: "notify", Signature: "(sender_uuid: string)",
			Doc: "Stores a notification from a sender. A client has at most one of each sender; a new one replaces it.",
			Run: func(L *lua.LState) int {
				api.Self[*connection](L, "notify").Notify(L.CheckString(2))
				return 0
			},
		},
		{Name: "dismiss", Signature: "()", Doc: "Removes all of its notifications.", Run: api.Action("dismiss", (*connection).Dismiss)},
		{
			Name: "from_connect", Signature: "(field: string): boolean",
			Doc: "Reports whether the connect hook has returned that field for it. No built-in message lets the client change such a field; a script may.",
			Run: func(L *lua.LState) int {
				return api.Push(L, lua.LBool(api.Self[*connection](L, "from_connect").FromConnect(L.CheckString(2))))
			},
		},
		{
			Name: "fields", Signature: "(): table",
			Doc: "Returns a copy of all fields, as ConnectionEstablished shows them. A good start for a row of the roster.",
			Run: func(L *lua.LState) int { return api.PushCopy(L, api.Self[*connection](L, "fields")) },
		},
		{Name: "notifications", Signature: "(): table<string, table>", Doc: "Returns a copy of its notifications by the uuid of the sender.", Run: func(L *lua.LState) int {
			return api.PushCopy(L, api.Self[*connection](L, "notifications").Notifications())
		}},
		{Name: "subscriptions", Signature: "(): table<string, table>", Doc: "Returns a copy of the topics that it subscribes to, by their uuid.", Run: func(L *lua.LState) int {
			subscriptions := wire.Members{}
			for _, t := range api.Self[*connection](L, "subscriptions").Subscriptions() {
				subscriptions = append(subscriptions, wire.Member{Name: t.UUID(), Value: t})
			}
			return api.PushCopy(L, subscriptions)
		}},
	}
}

// authenticate is client:authenticate. It waits while the result of a wrong password is delayed.
func (cs *Clients) authenticate(L *lua.LState) int {
	c, password := api.Self[*connection](L, "authenticate"), L.OptString(2, "")
	right := false
	cs.wait(L, func(wake func()) func() {
		c.Authenticate(password, func(ok bool) {
			right = ok
			wake()
		})
		return nil
	})
	return api.Push(L, lua.LBool(right))
}
