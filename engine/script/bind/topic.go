package bind

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/auth"
	"perigee/engine/script/api"
	"perigee/engine/script/value"
	"perigee/engine/wire"
)

// topic is the Lua object of a Topic. It encodes as the topic's JSON object.
type topic struct{ Topic }

func (t *topic) String() string { return fmt.Sprintf("topic %q", t.Name()) }

func (cs *Clients) topic(t Topic) *lua.LUserData {
	return cs.object(t.Slot(), func() *lua.LUserData { return api.NewObject(&topic{t}, cs.topics) })
}

func (cs *Clients) pushTopic(L *lua.LState, t Topic) int {
	if t == nil {
		return api.Push(L, lua.LNil)
	}
	return api.Push(L, cs.topic(t))
}

// checkTopic returns the topic of an argument: a topic, its name or its UUID. It returns nil if there is no such topic.
func (cs *Clients) checkTopic(L *lua.LState, n int) Topic {
	if t, ok := api.ObjectOf[*topic](L.Get(n)); ok {
		return t.Topic
	}
	return cs.host.Topic(L.CheckString(n))
}

// registerTopic is server.register.
func (cs *Clients) registerTopic(L *lua.LState) int {
	name := api.CheckName(L, "topic")
	o, err := topicOptions(L.OptTable(2, L.NewTable()))
	if err != nil {
		L.RaiseError("topic %q: %s", name, err)
	}
	t, err := cs.host.Register(name, o)
	api.Raise(L, err)
	return cs.pushTopic(L, t)
}

// topicOptions returns the options of server.register.
func topicOptions(options *lua.LTable) (o TopicOptions, err error) {
	if err = api.CheckOptions(options, "protection", "owner", "listed", "history", "presence"); err != nil {
		return o, err
	}
	o.Protection = auth.None
	if options.RawGetString("protection") != lua.LNil {
		o.Protection, err = api.Protection(options)
	}
	if err == nil {
		o.Owner, err = api.Owner(options, o.Protection, "the uuid of the connection that it belongs to")
	}
	if err == nil {
		o.Listed, err = flag(options, "listed")
	}
	if err == nil {
		o.Presence, err = flag(options, "presence")
	}
	if err == nil {
		o.History, err = historyOption(options)
	}
	return o, err
}

// flag returns an option that is true or false, or nil if it is left out.
func flag(options *lua.LTable, name string) (*bool, error) {
	v, err := api.Option[lua.LBool](options, name, "true or false")
	if err != nil || options.RawGetString(name) == lua.LNil {
		return nil, err
	}
	return new(bool(v)), nil
}

// historyOption returns the option history, or nil if it is left out.
func historyOption(options *lua.LTable) (*int, error) {
	n, err := api.Option[lua.LNumber](options, "history", "a number")
	if err != nil || options.RawGetString("history") == lua.LNil {
		return nil, err
	}
	if n < 0 || n > MaxHistory || n != lua.LNumber(int(n)) {
		return nil, fmt.Errorf("history must be a whole number from 0 to %d", MaxHistory)
	}
	return new(int(n)), nil
}

func topicFields() []api.Field {
	get := api.Getter[*topic]
	return []api.Field{
		{Name: "name", Type: "string", Doc: "Given to server.register. Subscribers see it, and every client if the topic is listed. Read-only.", Get: get(func(t *topic) lua.LValue { return lua.LString(t.Name()) })},
		{Name: "uuid", Type: "string", Doc: "Identifies the topic. Read-only.", Get: get(func(t *topic) lua.LValue { return lua.LString(t.UUID()) })},
		{Name: "count", Type: "integer", Doc: "The number of subscribers. Read-only.", Get: get(func(t *topic) lua.LValue { return lua.LNumber(t.Count()) })},
		{Name: "listed", Type: "boolean", Doc: "Whether every client is told of the topic. Read-only.", Get: get(func(t *topic) lua.LValue { return lua.LBool(t.Listed()) })},
	}
}

// onMessage returns the method of a topic that does something with a message, which it gets as a name and fields.
func (cs *Clients) onMessage(method string, do func(h Host, t Topic, name string, fields wire.Fields) error) lua.LGFunction {
	return func(L *lua.LState) int {
		t, name := api.Self[*topic](L, method).Topic, L.CheckString(2)
		raiseSend(L, name, do(cs.host, t, name, fields(L, name, 3)))
		return 0
	}
}

func (cs *Clients) topicMethods() []api.Function {
	return []api.Function{
		{
			Name: "subscribe", Signature: "(client: perigee.Client): true?, string?",
			Doc: "Subscribes a client and tells it (UpdateSubscriptions). Scripts may subscribe any client, whatever the protection. Returns true, or nil and the reason: it has limits.subscriptions subscriptions, it has closed, or the topic was removed.",
			Run: func(L *lua.LState) int {
				return api.PushResult(L, lua.LTrue, api.Self[*topic](L, "subscribe").Subscribe(checkClient(L, 2).Client))
			},
		},
		{Name: "unsubscribe", Signature: "(client: perigee.Client)", Doc: "Ends a subscription and tells the client (UpdateSubscriptions).", Run: func(L *lua.LState) int {
			api.Self[*topic](L, "unsubscribe").Unsubscribe(checkClient(L, 2).Client)
			return 0
		}},
		{Name: "allows", Signature: "(client: perigee.Client): boolean", Doc: "Returns whether the topic's protection lets that client subscribe by itself.", Run: func(L *lua.LState) int {
			return api.Push(L, lua.LBool(api.Self[*topic](L, "allows").Allows(checkClient(L, 2).Client)))
		}},
		{Name: "connections", Signature: "(): perigee.Connections", Doc: "Returns the subscribers.", Run: func(L *lua.LState) int {
			return cs.pushSet(L, api.Self[*topic](L, "connections").Connections())
		}},
		{
			Name: "send", Signature: "(name: string, fields?: table)",
			Doc: "Sends a message to all subscribers, and keeps it for later ones if the topic has a history.",
			Run: cs.onMessage("send", Host.Publish),
		},
		{
			Name: "remember", Signature: "(name: string, fields?: table)",
			Doc: "Keeps a message for later subscribers, as topic:send does, without sending it to the present ones. With it, boot can fill a history that is empty. Does nothing if the topic has no history.",
			Run: cs.onMessage("remember", Host.Remember),
		},
		{
			Name: "presence", Signature: "(): string[]",
			Doc: "Returns the users (client.user) with a connection that subscribes, each once, sorted. The list is empty if the topic has no presence.",
			Run: func(L *lua.LState) int {
				return api.Push(L, list(api.Self[*topic](L, "presence").Presence()))
			},
		},
		{
			Name: "history", Signature: "(): table[]",
			Doc: "Returns copies of the messages that the topic keeps, oldest first, each with its id, name and timestamp. The list is empty if the topic has no history.",
			Run: func(L *lua.LState) int {
				messages := L.NewTable()
				for _, text := range api.Self[*topic](L, "history").History() {
					message, err := value.Decode(text, value.Limits{BigText: true, Turn: L.Context()}, value.Null())
					api.Raise(L, err)
					messages.Append(message)
				}
				return api.Push(L, messages)
			},
		},
	}
}
