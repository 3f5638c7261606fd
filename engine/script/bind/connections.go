package bind

import (
	"fmt"
	"math/rand/v2"
	"slices"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
)

// list is a choice of connections, in the order in which they were opened.
type list struct{ clients []Client }

func (l *list) String() string { return fmt.Sprintf("%d connections", len(l.clients)) }

func (cs *Clients) pushList(L *lua.LState, clients []Client) int {
	L.Push(api.Object(&list{clients}, cs.lists))
	return 1
}

func (cs *Clients) pushClient(L *lua.LState, c Client) int {
	if c == nil {
		L.Push(lua.LNil)
	} else {
		L.Push(cs.Client(c))
	}
	return 1
}

func (cs *Clients) listMethods() []api.Function {
	return slices.Concat(cs.choosingMethods(), []api.Function{
		{Name: "count", Signature: "(): integer", Doc: "Returns how many they are.", Run: func(L *lua.LState) int {
			L.Push(lua.LNumber(len(api.Self[*list](L, "count").clients)))
			return 1
		}},
		{
			Name: "each", Signature: "(fn: fun(client: perigee.Client))\n(): fun(): perigee.Client?",
			Doc: "Calls a function with each of them; without one, it is what a for loop goes over.", Run: cs.each,
		},
		{Name: "send", Signature: "(name: string, fields?: table)", Doc: "Sends a message to all of them.", Run: func(L *lua.LState) int {
			clients, name := api.Self[*list](L, "send").clients, L.CheckString(2)
			sent(L, name, cs.host.Send(clients, name, fields(L, 3)))
			return 0
		}},
		{
			Name: "close", Signature: "(code?: integer, reason?: string)",
			Doc: "Closes all of them after what was sent before; with 1000 without a code.",
			Run: func(L *lua.LState) int {
				for _, c := range api.Self[*list](L, "close").clients {
					api.Raise(L, cs.host.Close(c, L.OptInt(2, 0), L.OptString(3, "")))
				}
				return 0
			},
		},
	})
}

// choosingMethods narrow a list or pick from it.
func (cs *Clients) choosingMethods() []api.Function {
	return []api.Function{
		{
			Name: "find", Signature: "(uuid: string): perigee.Client?",
			Doc: "Returns the one with that uuid, or nil.",
			Run: func(L *lua.LState) int {
				uuid := L.CheckString(2)
				clients := api.Self[*list](L, "find").clients
				i := slices.IndexFunc(clients, func(c Client) bool { return c.UUID() == uuid })
				if i < 0 {
					return cs.pushClient(L, nil)
				}
				return cs.pushClient(L, clients[i])
			},
		},
		{
			Name: "types", Signature: "(...: string|string[]): perigee.Connections",
			Doc: "Returns those whose type is one of these.",
			Run: func(L *lua.LState) int {
				clients := api.Self[*list](L, "types").clients
				wanted := api.Strings(L, 2)
				return cs.pushList(L, slices.DeleteFunc(slices.Clone(clients), func(c Client) bool {
					return !slices.Contains(wanted, c.Type())
				}))
			},
		},
		{
			Name: "where", Signature: "(fn: fun(client: perigee.Client): boolean?): perigee.Connections",
			Doc: "Returns those for which the function returns true.",
			Run: func(L *lua.LState) int {
				clients, fn := api.Self[*list](L, "where").clients, L.CheckFunction(2)
				return cs.pushList(L, slices.DeleteFunc(slices.Clone(clients), func(c Client) bool {
					L.Push(fn)
					L.Push(cs.Client(c))
					L.Call(1, 1)
					keep := lua.LVAsBool(L.Get(-1))
					L.Pop(1)
					return !keep
				}))
			},
		},
		{
			Name: "topic", Signature: "(topic: perigee.Topic|string): perigee.Connections",
			Doc: "Returns those that subscribe to the topic, or to the one of that name or uuid.",
			Run: func(L *lua.LState) int {
				clients := api.Self[*list](L, "topic").clients
				t := cs.checkTopic(L, 2)
				if t == nil {
					return cs.pushList(L, nil)
				}
				subscribed := map[Client]bool{}
				for _, c := range t.Connections() {
					subscribed[c] = true
				}
				return cs.pushList(L, slices.DeleteFunc(slices.Clone(clients), func(c Client) bool { return !subscribed[c] }))
			},
		},
		{Name: "random", Signature: "(): perigee.Client?", Doc: "Returns any of them; nil where there is none.", Run: func(L *lua.LState) int {
			clients := api.Self[*list](L, "random").clients
			if len(clients) == 0 {
				return cs.pushClient(L, nil)
			}
			return cs.pushClient(L, clients[rand.IntN(len(clients))])
		}},
	}
}

// each calls a function with each connection, or without one returns an iterator for a for loop.
func (cs *Clients) each(L *lua.LState) int {
	clients := api.Self[*list](L, "each").clients
	if fn := L.OptFunction(2, nil); fn != nil {
		for _, c := range clients {
			L.Push(fn)
			L.Push(cs.Client(c))
			L.Call(1, 0)
		}
		return 0
	}
	L.Push(L.NewFunction(func(L *lua.LState) int {
		if len(clients) == 0 {
			L.Push(lua.LNil)
			return 1
		}
		c := clients[0]
		clients = clients[1:]
		return cs.pushClient(L, c)
	}))
	return 1
}
