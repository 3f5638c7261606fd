package bind

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
	"perigee/engine/script/value"
	"perigee/engine/wire"
)

// connection is a Client in the hands of scripts. It encodes as the connection's JSON object.
type connection struct{ Client }

func (c *connection) String() string { return fmt.Sprintf("client %s (%s)", c.UUID(), c.Type()) }

// seen is how a generation of scripts sees a connection or topic. It is kept in the Slot; while handlers of the generation
// before go on, each has one of its own.
type seen struct {
	by    *Clients
	as    *lua.LUserData
	other *seen
}

// see returns the object that stands for something of the host, the same one each time.
func (cs *Clients) see(slot *any, make func() *lua.LUserData) *lua.LUserData {
	first, _ := (*slot).(*seen)
	for s := first; s != nil; s = s.other {
		if s.by == cs {
			return s.as
		}
	}
	s := &seen{by: cs, as: make(), other: first}
	*slot = s
	return s.as
}

// Forget lets go of the object that stands for something of the host.
func (cs *Clients) Forget(slot *any) {
	var left *seen
	for s, _ := (*slot).(*seen); s != nil; s = s.other {
		if s.by != cs {
			left = &seen{by: s.by, as: s.as, other: left}
		}
	}
	if left == nil {
		*slot = nil
	} else {
		*slot = left
	}
}

// Replace returns what an object of other scripts is to these; nil is nothing.
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

// Client returns a connection as scripts see it.
func (cs *Clients) Client(c Client) *lua.LUserData {
	return cs.see(c.Slot(), func() *lua.LUserData { return api.Object(&connection{c}, cs.clients) })
}

// checkClient returns an argument that must be a client.
func checkClient(L *lua.LState, n int) Client {
	if ud, ok := L.Get(n).(*lua.LUserData); ok {
		if c, ok := ud.Value.(*connection); ok {
			return c.Client
		}
	}
	L.ArgError(n, "client expected, got "+L.Get(n).Type().String())
	return nil
}

// clientFields are the fields of a client; any other is the application's own.
func clientFields() []api.Field {
	get := func(of func(c Client) lua.LValue) func(object any) lua.LValue {
		return func(object any) lua.LValue {
			if c, ok := object.(*connection); ok {
				return of(c.Client)
			}
			return lua.LNil
		}
	}
	return []api.Field{
		{Name: "uuid", Type: "string", Doc: "Fixed.", Get: get(func(c Client) lua.LValue { return lua.LString(c.UUID()) })},
		{Name: "resource_id", Type: "integer", Doc: "Its number; fixed.", Get: get(func(c Client) lua.LValue { return lua.LNumber(c.ResourceID()) })},
		{Name: "ip_address", Type: "string", Doc: "Fixed.", Get: get(func(c Client) lua.LValue { return lua.LString(c.IPAddress().String()) })},
		{Name: "timestamp", Type: "integer", Doc: "When it was opened, in seconds since 1970; fixed.", Get: get(func(c Client) lua.LValue { return lua.LNumber(c.Timestamp().Unix()) })},
		{Name: "open", Type: "boolean", Doc: "False once it has closed; fixed.", Get: get(func(c Client) lua.LValue { return lua.LBool(c.Open()) })},
		{Name: "type", Type: "string", Doc: "Settable.", Get: get(func(c Client) lua.LValue { return lua.LString(c.Type()) })},
		{Name: "name", Type: "string?", Doc: "Settable.", Get: get(func(c Client) lua.LValue { return stringOrNil(c.Name()) })},
		{Name: "email", Type: "string?", Doc: "Settable.", Get: get(func(c Client) lua.LValue { return stringOrNil(c.Email()) })},
		{Name: "admin", Type: "boolean", Doc: "Settable.", Get: get(func(c Client) lua.LValue { return lua.LBool(c.Admin()) })},
	}
}

// clientAttribute answers for the fields of a client that are the application's own.
func clientAttribute(object any, name string) lua.LValue {
	c, ok := object.(*connection)
	if !ok {
		return lua.LNil
	}
	return api.Value(c.Attribute(name))
}

func stringOrNil(s string) lua.LValue {
	if s == "" {
		return lua.LNil
	}
	return lua.LString(s)
}

// setClientField is the __newindex of clients.
func (cs *Clients) setClientField(L *lua.LState) int {
	c, field, v := checkClient(L, 1), L.CheckString(2), L.Get(3)
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
	case "admin":
		admin, ok := v.(lua.LBool)
		if !ok {
			L.RaiseError("client.admin must be true or false, not a %s", v.Type())
		}
		c.SetAdmin(bool(admin))
	default:
		if cs.clientField[field] {
			L.RaiseError("client.%s is the server's and cannot be set", field)
		}
		cs.setAttribute(L, c, field, v)
	}
	return 0
}

// setAttribute sets a field of the application's own. Only what can be sent to clients may be stored.
func (cs *Clients) setAttribute(L *lua.LState, c Client, field string, v lua.LValue) {
	if cs.clientMethod[field] {
		L.RaiseError("client.%s is a method and cannot be set", field)
	}
	if v == lua.LNil {
		api.Raise(L, c.SetAttribute(field, nil))
		return
	}
	if _, err := value.Copy(v); err != nil {
		L.RaiseError("client.%s must be plain data: %s", field, api.Reason(err))
	}
	if err := c.SetAttribute(field, value.Value{LValue: v, Text: MaxAttribute}); err != nil {
		L.RaiseError("client.%s: %s", field, api.Reason(err))
	}
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
		return v.String()
	}
	L.RaiseError("client.%s must be a string, not a %s", field, v.Type())
	return ""
}

func (cs *Clients) clientMethods() []api.Function {
	return []api.Function{
		{Name: "send", Signature: "(name: string, fields?: table)", Doc: "Sends it a message.", Run: func(L *lua.LState) int {
			c := api.Self[*connection](L, "send").Client
			name := L.CheckString(2)
			cs.greeted = cs.greeted || name == established
			sent(L, name, cs.host.Send([]Client{c}, name, fields(L, 3)))
			return 0
		}},
		{
			Name: "close", Signature: "(code?: integer, reason?: string)",
			Doc: "Closes it after what was sent before; 1000 without a code.",
			Run: func(L *lua.LState) int {
				c := api.Self[*connection](L, "close").Client
				api.Raise(L, cs.host.Close(c, L.OptInt(2, 0), L.OptString(3, "")))
				return 0
			},
		},
		{
			Name: "prompt", Signature: "()",
			Doc: "Asks for a password on account of the message that is being handled (PromptForAuthentication).",
			Run: func(L *lua.LState) int {
				api.Raise(L, api.Self[*connection](L, "prompt").Prompt(api.Caller(L).Text))
				return 0
			},
		},
		{
			Name: "authenticate", Signature: "(password?: string): boolean",
			Doc: "Waits; returns true and makes it an admin when the password is right.", Run: cs.authenticate,
		},
		{Name: "notify", Signature: "(sender_uuid: string)", Doc: "Keeps a notification, one for each sender.", Run: func(L *lua.LState) int {
			api.Self[*connection](L, "notify").Notify(L.CheckString(2))
			return 0
		}},
		{Name: "dismiss", Signature: "()", Doc: "Clears its notifications.", Run: func(L *lua.LState) int {
			api.Self[*connection](L, "dismiss").Dismiss()
			return 0
		}},
		{
			Name: "fields", Signature: "(): table",
			Doc: "Returns a copy of everything that ConnectionEstablished shows.",
			Run: func(L *lua.LState) int {
				return api.PushCopy(L, api.Self[*connection](L, "fields"))
			},
		},
		{
			Name: "notifications", Signature: "(): table<string, table>",
			Doc: "Returns its notifications by the uuid of the sender.",
			Run: func(L *lua.LState) int {
				return api.PushCopy(L, api.Self[*connection](L, "notifications").Notifications())
			},
		},
		{
			Name: "subscriptions", Signature: "(): table<string, table>",
			Doc: "Returns the topics that it subscribes to by their uuid.",
			Run: func(L *lua.LState) int {
				subscriptions := wire.Members{}
				for _, t := range api.Self[*connection](L, "subscriptions").Subscriptions() {
					subscriptions = append(subscriptions, wire.Member{Name: t.UUID(), Value: t})
				}
				return api.PushCopy(L, subscriptions)
			},
		},
	}
}

// authenticate compares a password with the server's key; it waits while a wrong one is being answered.
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
	L.Push(lua.LBool(right))
	return 1
}
