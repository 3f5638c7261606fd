package script

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/auth"
)

// topic is a Topic in the hands of scripts. It encodes as the topic's JSON object.
type topic struct{ Topic }

func (t *topic) String() string { return fmt.Sprintf("topic %q", t.Name()) }

func (p *Program) topic(t Topic) *lua.LUserData {
	return p.see(t.Slot(), func() *lua.LUserData { return object(&topic{t}, p.topics) })
}

func (p *Program) pushTopic(L *lua.LState, t Topic) int {
	if t == nil {
		L.Push(lua.LNil)
	} else {
		L.Push(p.topic(t))
	}
	return 1
}

// checkTopic returns an argument that is a topic, its name or its UUID; nil where there is no such topic.
func (p *Program) checkTopic(L *lua.LState, n int) Topic {
	if ud, ok := L.Get(n).(*lua.LUserData); ok {
		if t, ok := ud.Value.(*topic); ok {
			return t.Topic
		}
	}
	return p.host.Topic(L.CheckString(n))
}

// registerTopic creates a topic: name, options.
func (p *Program) registerTopic(L *lua.LState) int {
	name := name(L, "topic")
	options := L.OptTable(2, L.NewTable())
	raise(L, checkOptions(options, "protection", "owner"))
	o := TopicOptions{Protection: auth.None}
	var err error
	if options.RawGetString("protection") != lua.LNil {
		o.Protection, err = protectionOf(options)
		raise(L, err)
	}
	o.Owner, err = ownerOf(options, o.Protection, "the uuid of the connection that it belongs to")
	raise(L, err)
	t, err := p.host.Register(name, o)
	raise(L, err)
	return p.pushTopic(L, t)
}

func topicFields() []field {
	get := func(of func(t Topic) lua.LValue) func(object any) lua.LValue {
		return func(object any) lua.LValue {
			if t, ok := object.(*topic); ok {
				return of(t.Topic)
			}
			return lua.LNil
		}
	}
	return []field{
		{"name", "string", "Fixed.", get(func(t Topic) lua.LValue { return lua.LString(t.Name()) })},
		{"uuid", "string", "Fixed.", get(func(t Topic) lua.LValue { return lua.LString(t.UUID()) })},
		{"count", "integer", "The number of subscribers.", get(func(t Topic) lua.LValue { return lua.LNumber(t.Count()) })},
	}
}

func (p *Program) topicMethods() []function {
	return []function{
		{
			"subscribe", "(client: perigee.Client): true?, string?",
			"Subscribes a client and tells it; returns nil and the reason when it has too many subscriptions.",
			func(L *lua.LState) int {
				return pushDone(L, self[*topic](L, "subscribe").Subscribe(checkClient(L, 2)))
			},
		},
		{
			"unsubscribe", "(client: perigee.Client)",
			"Ends a subscription and tells the client.",
			func(L *lua.LState) int {
				self[*topic](L, "unsubscribe").Unsubscribe(checkClient(L, 2))
				return 0
			},
		},
		{
			"allows", "(client: perigee.Client): boolean",
			"Tells whether that client may subscribe by itself.",
			func(L *lua.LState) int {
				L.Push(lua.LBool(self[*topic](L, "allows").Allows(checkClient(L, 2))))
				return 1
			},
		},
		{"connections", "(): perigee.Connections", "Returns the subscribers.", func(L *lua.LState) int {
			return p.pushList(L, self[*topic](L, "connections").Connections())
		}},
		{"send", "(name: string, fields?: table)", "Sends a message to all subscribers.", func(L *lua.LState) int {
			raise(L, self[*topic](L, "send").Send(L.CheckString(2), fields(L, 3)))
			return 0
		}},
	}
}
