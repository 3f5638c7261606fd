package spec

import (
	"bytes"
	"fmt"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/handshake"
	"perigee/engine/script"
	"perigee/engine/script/api"
	"perigee/engine/script/value"
	"perigee/engine/spec/harness"
	"perigee/engine/wire"
)

// client is a client in a spec.
type client struct {
	server     *harness.Server
	conn       *harness.Conn
	uuid       string
	connection []byte // its JSON after opening
}

// isIgnored reports whether expect skips frames of this name unless they are expected: they depend on the clock.
func isIgnored(name string) bool {
	switch name {
	case "UpdateConnections", "ConnectionChanged", "ConnectionGone", "PresenceChanged", "CurrentUptime":
		return true
	}
	return false
}

func (f *file) clientMetatable() *lua.LTable {
	L := f.vm.State()
	methods := map[string]*lua.LFunction{}
	for _, m := range f.clientKind().Methods {
		methods[m.Name] = L.NewFunction(m.Run)
	}
	mt := L.NewTable()
	mt.RawSetString("__index", L.NewFunction(func(L *lua.LState) int {
		c, field := f.client(L), L.CheckString(2)
		if method, ok := methods[field]; ok {
			L.Push(method)
			return 1
		}
		switch field {
		case "uuid":
			L.Push(lua.LString(c.uuid))
		case "connection":
			return pushJSON(L, c.connection)
		case "connected":
			L.Push(lua.LBool(c.conn.Connected()))
		case "closed":
			L.Push(closedOf(L, c.conn.Closed()))
		default:
			L.RaiseError("a client of a spec has no %q", field)
		}
		return 1
	}))
	mt.RawSetString("__metatable", lua.LString("client"))
	return mt
}

// closedOf returns the code and reason of a closed client, or nil while it is open.
func closedOf(L *lua.LState, why *wire.Close) lua.LValue {
	if why == nil {
		return lua.LNil
	}
	t := L.NewTable()
	t.RawSetString("code", lua.LNumber(why.Code))
	t.RawSetString("reason", lua.LString(why.Reason))
	return t
}

// client returns the client on which a method was called.
func (f *file) client(L *lua.LState) *client {
	if object, ok := L.Get(1).(*lua.LUserData); ok {
		if c, ok := object.Value.(*client); ok {
			if c.server != f.server {
				L.RaiseError("this client belongs to another example")
			}
			return c
		}
	}
	L.RaiseError("this is a method of a client: write client:method(...) with a colon")
	return nil
}

// openClient (fields) opens a client, and takes its first frame, ConnectionEstablished.
func (f *file) openClient(L *lua.LState) int {
	s, fields := f.runningServer(L), L.OptTable(1, L.NewTable())
	request, err := requestOf(fields)
	raise(L, err)
	conn, refusal, err := s.Connect(L.Context(), request)
	raise(L, err)
	if refusal != nil {
		return pushRefusal(L, refusal)
	}
	c := &client{server: s, conn: conn}
	raise(L, s.WithConnection(conn, func(known script.Client) error { return c.setFields(known, fields) }))
	if first := conn.Peek(); first != nil {
		if name, _, err := read(first); err == nil && name == "ConnectionEstablished" {
			conn.Take()
		}
	}
	if c.connection == nil {
		c.connection = []byte("null") // the open hook has closed it
	}
	L.Push(&lua.LUserData{Value: c, Metatable: f.clients})
	return 1
}

// pushRefusal pushes nil and the status and reason with which the connect hook has refused a client.
func pushRefusal(L *lua.LState, r *handshake.Refusal) int {
	refused := L.NewTable()
	refused.RawSetString("status", lua.LNumber(r.Status))
	refused.RawSetString("reason", lua.LString(r.Reason))
	L.Push(lua.LNil)
	L.Push(refused)
	return 2
}

// setFields sets the fields that the spec has given. It runs on the loop, while the spec waits.
func (c *client) setFields(known script.Client, fields *lua.LTable) error {
	for key, v := range members(fields) {
		if key == lua.LString("request") {
			continue
		}
		if err := setField(known, key.String(), v); err != nil {
			return err
		}
	}
	return c.identify(known)
}

// identify notes which connection the client has. It runs on the loop, while the spec waits.
func (c *client) identify(known script.Client) (err error) {
	c.uuid = known.UUID()
	c.connection, err = known.AppendJSON(nil)
	return err
}

func setField(known script.Client, name string, v lua.LValue) error {
	switch name {
	case "uuid", "open", "connected", "resource_id", "ip_address", "timestamp", "notifications", "subscriptions", "protocol":
		return fmt.Errorf("a spec cannot set the %s of a client", name)
	case "roles":
		roles, err := api.Roles(v)
		if err != nil {
			return fmt.Errorf("roles %w", err)
		}
		known.SetRoles(roles)
		return nil
	case "data":
		if v.Type() != lua.LTTable {
			return fmt.Errorf("data must be a table, not a %s", v.Type())
		}
		there, err := toServer(v)
		known.SetData(there)
		return err
	case "admin":
		admin, ok := v.(lua.LBool)
		if ok {
			known.SetAdmin(bool(admin))
			return nil
		}
		return fmt.Errorf("admin must be true or false, not a %s", v.Type())
	}
	set := map[string]func(string){"type": known.SetType, "name": known.SetName, "email": known.SetEmail, "user": known.SetUser}[name]
	if set == nil {
		there, err := toServer(v)
		if err != nil {
			return err
		}
		return known.SetAttribute(name, there)
	}
	text, ok := v.(lua.LString)
	if !ok {
		return fmt.Errorf("the %s of a client must be a string, not a %s", name, v.Type())
	}
	set(string(text))
	return nil
}

// send (name, fields) or (message) sends a message as the client.
func (f *file) send(L *lua.LState) int {
	c := f.client(L)
	message := L.NewTable()
	fields := L.OptTable(3, L.NewTable())
	switch first := L.Get(2).(type) {
	case lua.LString:
		message.RawSetString("name", first)
	case *lua.LTable:
		fields = first
	default:
		L.ArgError(2, "the name of a message, or a message as a table")
	}
	for key, v := range members(fields) {
		if message.RawGet(key) == lua.LNil {
			message.RawSet(key, v)
		}
	}
	text, err := value.Append(nil, message, value.Limits{})
	raise(L, err)
	c.checkConnected(L)
	raise(L, f.server.Receive(c.conn, bytes.Clone(text)))
	return 0
}

// checkConnected raises an error if the client cannot do anything, because it is closed or has lost its connection.
func (c *client) checkConnected(L *lua.LState) {
	switch why := c.conn.Closed(); {
	case why != nil:
		L.RaiseError("the client is closed: %s", why)
	case !c.conn.Connected():
		L.RaiseError("the client has lost its connection: call client:resume() first")
	}
}

// drop (options) loses the connection of the client.
func (f *file) drop(L *lua.LState) int {
	c, options := f.client(L), L.OptTable(2, L.NewTable())
	raise(L, api.CheckOptions(options, "left"))
	left, err := api.Option[lua.LBool](options, "left", "true or false")
	raise(L, err)
	c.checkConnected(L)
	raise(L, f.server.Drop(c.conn, bool(left)))
	return 0
}

// resume (options) has the client come back. It returns true if the client misses nothing, false if it misses something, or nil if
// its connection is a new one or the connect hook has refused it.
func (f *file) resume(L *lua.LState) int {
	c, options := f.client(L), L.OptTable(2, L.NewTable())
	raise(L, api.CheckOptions(options, "fresh", "request"))
	fresh, err := api.Option[lua.LBool](options, "fresh", "true or false")
	raise(L, err)
	request := c.conn.Request()
	if options.RawGetString("request") != lua.LNil {
		request, err = requestOf(options)
		raise(L, err)
	}
	if why := c.conn.Closed(); why != nil {
		L.RaiseError("the client is closed: %s", why)
	}
	conn, refusal, err := f.server.Resume(L.Context(), c.conn, request, bool(fresh))
	raise(L, err)
	if refusal != nil {
		return pushRefusal(L, refusal)
	}
	c.conn = conn
	if resumed, complete := conn.Resumed(); resumed {
		L.Push(lua.LBool(complete))
		return 1
	}
	raise(L, f.server.WithConnection(conn, c.identify))
	L.Push(lua.LNil)
	return 1
}

// read decodes a frame.
func read(text []byte) (name string, frame *lua.LTable, err error) {
	v, err := value.Decode(text, value.Limits{}, value.Null())
	if err != nil {
		return "", nil, err
	}
	frame, ok := v.(*lua.LTable)
	if !ok {
		return "", nil, fmt.Errorf("the frame is not an object: %s", text)
	}
	return frame.RawGetString("name").String(), frame, nil
}

// next takes the next frame that has the name or is not ignored, or nil if there is none.
func (c *client) next(L *lua.LState, want string) (name string, frame *lua.LTable) {
	for text := c.conn.Take(); text != nil; text = c.conn.Take() {
		name, frame, err := read(text)
		raise(L, err)
		if name == want || !isIgnored(name) {
			return name, frame
		}
	}
	return "", nil
}

// expect (name, fields, options) takes and returns the next frame, which must have the name and the fields. With the option skip,
// it passes over frames that do not.
func (f *file) expect(L *lua.LState) int {
	c, want := f.client(L), L.CheckString(2)
	fields, options := L.OptTable(3, L.NewTable()), L.OptTable(4, L.NewTable())
	raise(L, api.CheckOptions(options, "skip"))
	skip, err := api.Option[lua.LBool](options, "skip", "true or false")
	raise(L, err)
	var skipped []string
	for {
		name, frame := c.next(L, want)
		sentence, lines := mismatch(c, want, fields, name, frame)
		if sentence == "" {
			L.Push(frame)
			return 1
		}
		if bool(skip) && frame != nil {
			skipped = append(skipped, "passed over: "+show(frame))
			continue
		}
		fail(L, sentence, append(lines, skipped[max(0, len(skipped)-maxDifferences):]...)...)
	}
}

// mismatch returns why a frame is not the expected one, with details, or "". frame is nil if there was none.
func mismatch(c *client, want string, fields *lua.LTable, name string, frame *lua.LTable) (sentence string, lines []string) {
	switch {
	case frame == nil && c.conn.Closed() != nil:
		return fmt.Sprintf("expected %s, got nothing: the client was closed with %s", want, c.conn.Closed()), nil
	case frame == nil && !c.conn.Connected():
		return fmt.Sprintf("expected %s, got nothing: the client has lost its connection", want), nil
	case frame == nil:
		return fmt.Sprintf("expected %s, got nothing", want), remedy(want)
	case name != want:
		return fmt.Sprintf("expected %s, got %s", want, name), append(remedy(want), "the frame: "+show(frame))
	}
	if lines := compare(fields, frame, true); len(lines) > 0 {
		return want + " is not as expected:", append(lines, "the frame: "+show(frame))
	}
	return "", nil
}

// remedy returns what to do if a client does not get a message of that name.
func remedy(name string) []string {
	if name == "UpdateTopics" {
		return []string{"only listed topics are in UpdateTopics: server.register(name, { listed = true })"}
	}
	return nil
}

// expectNothing () fails if there is a frame.
func (f *file) expectNothing(L *lua.LState) int {
	if name, frame := f.client(L).next(L, ""); frame != nil {
		fail(L, "expected nothing, got "+name, "the frame: "+show(frame))
	}
	return 0
}

// closeClient () closes the connection as the client.
func (f *file) closeClient(L *lua.LState) int {
	c := f.client(L)
	if c.conn.Closed() == nil {
		c.checkConnected(L)
	}
	raise(L, f.server.Disconnect(c.conn))
	return 0
}
