package script

import (
	"fmt"
	"math/rand/v2"
	"slices"

	lua "github.com/yuin/gopher-lua"
)

// list is a choice of connections, in the order in which they were opened.
type list struct{ clients []Client }

func (l *list) String() string { return fmt.Sprintf("%d connections", len(l.clients)) }

func (p *Program) pushList(L *lua.LState, clients []Client) int {
	L.Push(object(&list{clients}, p.lists))
	return 1
}

func (p *Program) pushClient(L *lua.LState, c Client) int {
	if c == nil {
		L.Push(lua.LNil)
	} else {
		L.Push(p.client(c))
	}
	return 1
}

func (p *Program) listMethods() []function {
	return slices.Concat(p.choosingMethods(), []function{
		{"count", "(): integer", "Returns how many they are.", func(L *lua.LState) int {
			L.Push(lua.LNumber(len(self[*list](L, "count").clients)))
			return 1
		}},
		{
			"each", "(fn: fun(client: perigee.Client))\n(): fun(): perigee.Client?",
			"Calls a function with each of them; without one, it is what a for loop goes over.", p.each,
		},
		{"send", "(name: string, fields?: table)", "Sends a message to all of them.", func(L *lua.LState) int {
			raise(L, p.host.Send(self[*list](L, "send").clients, L.CheckString(2), fields(L, 3)))
			return 0
		}},
		{
			"close", "(code?: integer, reason?: string)",
			"Closes all of them after what was sent before; with 1000 without a code.",
			func(L *lua.LState) int {
				for _, c := range self[*list](L, "close").clients {
					raise(L, c.Close(L.OptInt(2, 0), L.OptString(3, "")))
				}
				return 0
			},
		},
	})
}

// choosingMethods narrow a list or pick from it.
func (p *Program) choosingMethods() []function {
	return []function{
		{
			"find", "(uuid: string): perigee.Client?",
			"Returns the one with that uuid, or nil.",
			func(L *lua.LState) int {
				uuid := L.CheckString(2)
				clients := self[*list](L, "find").clients
				i := slices.IndexFunc(clients, func(c Client) bool { return c.UUID() == uuid })
				if i < 0 {
					return p.pushClient(L, nil)
				}
				return p.pushClient(L, clients[i])
			},
		},
		{
			"types", "(...: string|string[]): perigee.Connections",
			"Returns those whose type is one of these.",
			func(L *lua.LState) int {
				clients := self[*list](L, "types").clients
				wanted := stringsFrom(L, 2)
				return p.pushList(L, slices.DeleteFunc(slices.Clone(clients), func(c Client) bool {
					return !slices.Contains(wanted, c.Type())
				}))
			},
		},
		{
			"where", "(fn: fun(client: perigee.Client): boolean?): perigee.Connections",
			"Returns those for which the function returns true.",
			func(L *lua.LState) int {
				clients, fn := self[*list](L, "where").clients, L.CheckFunction(2)
				return p.pushList(L, slices.DeleteFunc(slices.Clone(clients), func(c Client) bool {
					L.Push(fn)
					L.Push(p.client(c))
					L.Call(1, 1)
					keep := lua.LVAsBool(L.Get(-1))
					L.Pop(1)
					return !keep
				}))
			},
		},
		{
			"topic", "(topic: perigee.Topic|string): perigee.Connections",
			"Returns those that subscribe to the topic, or to the one of that name or uuid.",
			func(L *lua.LState) int {
				clients := self[*list](L, "topic").clients
				t := p.checkTopic(L, 2)
				if t == nil {
					return p.pushList(L, nil)
				}
				subscribed := map[Client]bool{}
				for _, c := range t.Connections() {
					subscribed[c] = true
				}
				return p.pushList(L, slices.DeleteFunc(slices.Clone(clients), func(c Client) bool { return !subscribed[c] }))
			},
		},
		{"random", "(): perigee.Client?", "Returns any of them; nil where there is none.", func(L *lua.LState) int {
			clients := self[*list](L, "random").clients
			if len(clients) == 0 {
				return p.pushClient(L, nil)
			}
			return p.pushClient(L, clients[rand.IntN(len(clients))])
		}},
	}
}

// each calls a function with each connection, or without one returns an iterator for a for loop.
func (p *Program) each(L *lua.LState) int {
	clients := self[*list](L, "each").clients
	if fn := L.OptFunction(2, nil); fn != nil {
		for _, c := range clients {
			L.Push(fn)
			L.Push(p.client(c))
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
		return p.pushClient(L, c)
	}))
	return 1
}

// stringsFrom returns the arguments from n on, which are strings or lists of strings.
func stringsFrom(L *lua.LState, n int) []string {
	var all []string
	for ; n <= L.GetTop(); n++ {
		t, ok := L.Get(n).(*lua.LTable)
		if !ok {
			all = append(all, L.CheckString(n))
			continue
		}
		for i := 1; i <= t.Len(); i++ {
			s, ok := t.RawGetInt(i).(lua.LString)
			if !ok {
				L.ArgError(n, fmt.Sprintf("strings expected, got a %s", t.RawGetInt(i).Type()))
			}
			all = append(all, string(s))
		}
	}
	return all
}
