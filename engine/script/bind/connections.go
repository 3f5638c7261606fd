package bind

import (
	"fmt"
	"math/rand/v2"
	"slices"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
)

// set is a set of connections, in the order in which they were opened.
type set struct{ clients []Client }

func (s *set) String() string { return fmt.Sprintf("%d connections", len(s.clients)) }

func (cs *Clients) pushSet(L *lua.LState, clients []Client) int {
	return api.Push(L, api.NewObject(&set{clients}, cs.sets))
}

func (cs *Clients) pushClient(L *lua.LState, c Client) int {
	if c == nil {
		return api.Push(L, lua.LNil)
	}
	return api.Push(L, cs.Client(c))
}

func (cs *Clients) setMethods() []api.Function {
	return slices.Concat(cs.filterMethods(), []api.Function{
		{Name: "count", Signature: "(): integer", Doc: "Returns how many there are.", Run: func(L *lua.LState) int {
			return api.Push(L, lua.LNumber(len(api.Self[*set](L, "count").clients)))
		}},
		{
			Name: "each", Signature: "(fn: fun(client: perigee.Client))\n(): fun(): perigee.Client?",
			Doc: "Calls a function with each of them. Without a function, it returns an iterator: for client in connections:each() do.",
			Run: cs.each,
		},
		{Name: "send", Signature: "(name: string, fields?: table)", Doc: "Sends a message to all of them, as client:send does.", Run: func(L *lua.LState) int {
			clients, name := api.Self[*set](L, "send").clients, L.CheckString(2)
			raiseSend(L, name, cs.host.Send(clients, name, fields(L, name, 3)))
			return 0
		}},
		{Name: "close", Signature: "(code?: integer, reason?: string)", Doc: "Closes all of them, as client:close does.", Run: func(L *lua.LState) int {
			for _, c := range api.Self[*set](L, "close").clients {
				api.Raise(L, cs.host.Close(c, L.OptInt(2, 0), L.OptString(3, "")))
			}
			return 0
		}},
	})
}

// filterMethods return a part of a set, or one of its clients.
func (cs *Clients) filterMethods() []api.Function {
	return []api.Function{
		{Name: "find", Signature: "(uuid: string): perigee.Client?", Doc: "Returns the client with that uuid, or nil.", Run: func(L *lua.LState) int {
			uuid := L.CheckString(2)
			clients := api.Self[*set](L, "find").clients
			i := slices.IndexFunc(clients, func(c Client) bool { return c.UUID() == uuid })
			if i < 0 {
				return cs.pushClient(L, nil)
			}
			return cs.pushClient(L, clients[i])
		}},
		{Name: "types", Signature: "(...: string|string[]): perigee.Connections", Doc: "Returns the set of those whose type is one of the given types.", Run: func(L *lua.LState) int {
			clients := api.Self[*set](L, "types").clients
			wanted := api.CheckStrings(L, 2)
			return cs.pushSet(L, slices.DeleteFunc(slices.Clone(clients), func(c Client) bool {
				return !slices.Contains(wanted, c.Type())
			}))
		}},
		{
			Name: "user", Signature: "(user: string): perigee.Connections",
			Doc: "Returns the set of those whose client.user is the given one: all pages that a person has open. Among server.connections(), they are found without a search.",
			Run: func(L *lua.LState) int {
				clients, user := api.Self[*set](L, "user").clients, L.CheckString(2)
				if all := cs.host.Connections(); len(all) > 0 && len(clients) == len(all) && &clients[0] == &all[0] {
					return cs.pushSet(L, cs.host.UserConnections(user))
				}
				return cs.pushSet(L, slices.DeleteFunc(slices.Clone(clients), func(c Client) bool { return c.User() != user }))
			},
		},
		{
			Name: "where", Signature: "(fn: fun(client: perigee.Client): boolean?): perigee.Connections",
			Doc: "Returns the set of those for which the function returns true.",
			Run: func(L *lua.LState) int {
				clients, fn := api.Self[*set](L, "where").clients, L.CheckFunction(2)
				return cs.pushSet(L, slices.DeleteFunc(slices.Clone(clients), func(c Client) bool {
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
			Doc: "Returns the set of those that subscribe to a topic, given itself, its name or its uuid. If there is no such topic, the set is empty.",
			Run: func(L *lua.LState) int {
				clients := api.Self[*set](L, "topic").clients
				t := cs.checkTopic(L, 2)
				if t == nil {
					return cs.pushSet(L, nil)
				}
				subscribed := map[Client]bool{}
				for _, c := range t.Connections() {
					subscribed[c] = true
				}
				return cs.pushSet(L, slices.DeleteFunc(slices.Clone(clients), func(c Client) bool { return !subscribed[c] }))
			},
		},
		{Name: "random", Signature: "(): perigee.Client?", Doc: "Returns one of them at random, or nil if there is none.", Run: func(L *lua.LState) int {
			clients := api.Self[*set](L, "random").clients
			if len(clients) == 0 {
				return cs.pushClient(L, nil)
			}
			return cs.pushClient(L, clients[rand.IntN(len(clients))])
		}},
	}
}

// each is connections:each.
func (cs *Clients) each(L *lua.LState) int {
	clients := api.Self[*set](L, "each").clients
	if fn := L.OptFunction(2, nil); fn != nil {
		for _, c := range clients {
			L.Push(fn)
			L.Push(cs.Client(c))
			L.Call(1, 0)
		}
		return 0
	}
	return api.Push(L, L.NewFunction(func(L *lua.LState) int {
		if len(clients) == 0 {
			return api.Push(L, lua.LNil)
		}
		c := clients[0]
		clients = clients[1:]
		return cs.pushClient(L, c)
	}))
}
