package script

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/value"
	"perigee/engine/wire"
)

// connection is a Client in the hands of scripts. It encodes as the connection's JSON object.
type connection struct{ Client }

func (c *connection) String() string { return fmt.Sprintf("client %s (%s)", c.UUID(), c.Type()) }

// seen is how a generation of scripts sees a connection or topic; it is kept in the Slot.
type seen struct {
	by *Program
	as *lua.LUserData
}

// see returns the object that stands for something of the host, the same one each time.
func (p *Program) see(slot *any, make func() *lua.LUserData) *lua.LUserData {
	if s, ok := (*slot).(*seen); ok && s.by == p {
		return s.as
	}
	s := &seen{by: p, as: make()}
	*slot = s
	return s.as
}

// client returns a connection as scripts see it.
func (p *Program) client(c Client) *lua.LUserData {
	return p.see(c.Slot(), func() *lua.LUserData { return object(&connection{c}, p.clients) })
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
func clientFields() []field {
	get := func(of func(c Client) lua.LValue) func(object any) lua.LValue {
		return func(object any) lua.LValue {
			if c, ok := object.(*connection); ok {
				return of(c.Client)
			}
			return lua.LNil
		}
	}
	return []field{
		{"uuid", "string", "Fixed.", get(func(c Client) lua.LValue { return lua.LString(c.UUID()) })},
		{"resource_id", "integer", "Its number; fixed.", get(func(c Client) lua.LValue { return lua.LNumber(c.ResourceID()) })},
		{"ip_address", "string", "Fixed.", get(func(c Client) lua.LValue { return lua.LString(c.IPAddress().String()) })},
		{"timestamp", "integer", "When it was opened, in seconds since 1970; fixed.", get(func(c Client) lua.LValue { return lua.LNumber(c.Timestamp().Unix()) })},
		{"open", "boolean", "False once it has closed; fixed.", get(func(c Client) lua.LValue { return lua.LBool(c.Open()) })},
		{"type", "string", "Settable.", get(func(c Client) lua.LValue { return lua.LString(c.Type()) })},
		{"name", "string?", "Settable.", get(func(c Client) lua.LValue { return stringOrNil(c.Name()) })},
		{"email", "string?", "Settable.", get(func(c Client) lua.LValue { return stringOrNil(c.Email()) })},
		{"admin", "boolean", "Settable.", get(func(c Client) lua.LValue { return lua.LBool(c.Admin()) })},
	}
}

// clientAttribute answers for the fields of a client that are the application's own.
func clientAttribute(object any, name string) lua.LValue {
	c, ok := object.(*connection)
	if !ok {
		return lua.LNil
	}
	return luaValue(c.Attribute(name))
}

func stringOrNil(s string) lua.LValue {
	if s == "" {
		return lua.LNil
	}
	return lua.LString(s)
}

// setClientField is the __newindex of clients.
func (p *Program) setClientField(L *lua.LState) int {
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
		if p.clientField[field] {
			L.RaiseError("client.%s is the server's and cannot be set", field)
		}
		p.setAttribute(L, c, field, v)
	}
	return 0
}

// setAttribute sets a field of the application's own. Only what can be sent to clients may be stored.
func (p *Program) setAttribute(L *lua.LState, c Client, field string, v lua.LValue) {
	if p.clientMethod[field] {
		L.RaiseError("client.%s is a method and cannot be set", field)
	}
	if v == lua.LNil {
		c.SetAttribute(field, nil)
		return
	}
	if _, err := value.Copy(v); err != nil {
		L.RaiseError("client.%s must be plain data: %s", field, err)
	}
	c.SetAttribute(field, value.Value{LValue: v})
}

func stringField(L *lua.LState, field string, v lua.LValue) string {
	switch v := v.(type) {
	case *lua.LNilType:
		return ""
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return v.String()
	}
	L.RaiseError("client.%s must be a string, not a %s", field, v.Type())
	return ""
}

func (p *Program) clientMethods() []function {
	return []function{
		{"send", "(name: string, fields?: table)", "Sends it a message.", func(L *lua.LState) int {
			raise(L, self[*connection](L, "send").Send(L.CheckString(2), fields(L, 3)))
			return 0
		}},
		{
			"close", "(code?: integer, reason?: string)",
			"Closes it after what was sent before; 1000 without a code.",
			func(L *lua.LState) int {
				raise(L, self[*connection](L, "close").Close(L.OptInt(2, 0), L.OptString(3, "")))
				return 0
			},
		},
		{
			"prompt", "()",
			"Asks for a password on account of the message that is being handled (PromptForAuthentication).",
			func(L *lua.LState) int {
				raise(L, self[*connection](L, "prompt").Prompt(caller(L).text))
				return 0
			},
		},
		{
			"authenticate", "(password?: string): boolean",
			"Waits; returns true and makes it an admin when the password is right.", p.authenticate,
		},
		{"notify", "(sender_uuid: string)", "Keeps a notification, one for each sender.", func(L *lua.LState) int {
			self[*connection](L, "notify").Notify(L.CheckString(2))
			return 0
		}},
		{"dismiss", "()", "Clears its notifications.", func(L *lua.LState) int {
			self[*connection](L, "dismiss").Dismiss()
			return 0
		}},
		{
			"fields", "(): table",
			"Returns a copy of everything that ConnectionEstablished shows.",
			func(L *lua.LState) int {
				return p.pushCopy(L, self[*connection](L, "fields"))
			},
		},
		{
			"notifications", "(): table<string, table>",
			"Returns its notifications by the uuid of the sender.",
			func(L *lua.LState) int {
				return p.pushCopy(L, self[*connection](L, "notifications").Notifications())
			},
		},
		{
			"subscriptions", "(): table<string, table>",
			"Returns the topics that it subscribes to by their uuid.",
			func(L *lua.LState) int {
				subscriptions := wire.Members{}
				for _, t := range self[*connection](L, "subscriptions").Subscriptions() {
					subscriptions = append(subscriptions, wire.Member{Name: t.UUID(), Value: t})
				}
				return p.pushCopy(L, subscriptions)
			},
		},
	}
}

// authenticate compares a password with the server's key; it waits while a wrong one is being answered.
func (p *Program) authenticate(L *lua.LState) int {
	c, password := self[*connection](L, "authenticate"), L.OptString(2, "")
	right := false
	p.wait(L, p.options.AwaitTimeout, func(wake func()) func() {
		c.Authenticate(password, func(ok bool) {
			right = ok
			wake()
		})
		return nil
	})
	L.Push(lua.LBool(right))
	return 1
}

// pushCopy returns a table made of a value of the host; changing it changes nothing else.
func (p *Program) pushCopy(L *lua.LState, v wire.Value) int {
	text, err := v.AppendJSON(nil)
	raise(L, err)
	copied, err := value.Decode(text, value.Limits{}, nil)
	raise(L, err)
	L.Push(copied)
	return 1
}
