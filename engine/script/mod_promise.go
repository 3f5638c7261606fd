package script

import (
	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/vm"
)

// asPromise returns the promise that a value is, or nil.
func asPromise(value lua.LValue) *promise {
	if ud, ok := value.(*lua.LUserData); ok {
		if p, ok := ud.Value.(*promise); ok {
			return p
		}
	}
	return nil
}

func (p *Program) pushPromise(L *lua.LState, made *promise) int {
	L.Push(object(made, p.promises))
	return 1
}

// promiseFunctions are those of the module server.
func (p *Program) promiseFunctions() []function {
	return []function{
		{"sleep", "(ms: number)", "Waits here, while other turns go on.", p.sleep},
		{
			"promise", "(fn: fun(resolve: fun(value?: any), reject: fun(reason?: any))): perigee.Promise",
			"Returns a promise that the function settles; it is called at once.", p.promise,
		},
		{
			"async", "(fn: fun(...: any): any): fun(...: any): perigee.Promise",
			"Returns a function that runs this one in a turn of its own and returns the promise of its result.", p.async,
		},
		{
			"all", "(list: table): perigee.Promise",
			"Returns the promise of a table with the value of each, under the same keys.", p.all,
		},
		{
			"race", "(list: table): perigee.Promise",
			"Returns a promise that is settled as the first of them is.", p.race,
		},
	}
}

func (p *Program) promiseMethods() []function {
	return []function{
		{
			"next", "(fulfilled?: fun(value: any): any, failed?: fun(reason: any): any): perigee.Promise",
			"Returns the promise of what a callback makes of the value, or of the reason.",
			func(L *lua.LState) int { return p.then(L, "next", L.OptFunction(2, nil), L.OptFunction(3, nil)) },
		},
		{
			"catch", "(failed: fun(reason: any): any): perigee.Promise",
			"Returns the promise of what a callback makes of the reason.",
			func(L *lua.LState) int { return p.then(L, "catch", nil, L.CheckFunction(2)) },
		},
		{"await", "(): any", "Waits; returns the value, or raises the reason.", p.await},
		{"cancel", "()", `Rejects it with "cancelled", unless it has settled.`, func(L *lua.LState) int {
			self[*promise](L, "cancel").cancel()
			return 0
		}},
	}
}

// promise makes one that a function settles: the function is called at once with resolve and reject.
func (p *Program) promise(L *lua.LState) int {
	executor := L.CheckFunction(1)
	made := p.newPromise(Where(L))
	settler := func(settle func(value lua.LValue)) lua.LValue {
		return L.NewFunction(func(L *lua.LState) int {
			settle(L.Get(1))
			return 0
		})
	}
	_, err := p.vm.Call(caller(L), 0, executor, settler(made.resolve), settler(made.reject))
	if err != nil {
		made.finish(lua.LNil, err)
	}
	return p.pushPromise(L, made)
}

// async returns a function that runs another in a turn of its own, and returns the promise of its result.
func (p *Program) async(L *lua.LState) int {
	fn := L.CheckFunction(1)
	name := "async " + Where(L)
	L.Push(L.NewFunction(func(L *lua.LState) int {
		made := p.newPromise(Where(L))
		made.task = &task{}
		c := &call{name: name, text: caller(L).text}
		args := make([]lua.LValue, L.GetTop())
		for i := range args {
			args[i] = L.Get(i + 1)
		}
		p.turn(name, func() { p.perform(made, c, fn, args) })
		return p.pushPromise(L, made)
	}))
	return 1
}

// perform is the turn of an async function.
func (p *Program) perform(made *promise, c *call, fn *lua.LFunction, args []lua.LValue) {
	if made.settled {
		return // it was cancelled before it began
	}
	p.task = made.task
	result, err := p.vm.Call(c, 0, fn, args...)
	p.task = nil
	if err == nil || !made.task.cancelled {
		made.finish(result, err)
		return
	}
	// Nobody hears any more of how it ended, unless it is a mistake.
	late := p.newPromise(made.place)
	late.finish(result, err)
}

// then is promise:next and promise:catch.
func (p *Program) then(L *lua.LState, method string, fulfilled, failed *lua.LFunction) int {
	place := Where(L)
	c := &call{name: "promise " + place, text: caller(L).text}
	return p.pushPromise(L, self[*promise](L, method).then(c, place, fulfilled, failed))
}

// await waits for a promise and returns its value, or raises its reason.
func (p *Program) await(L *lua.LState) int {
	awaited := self[*promise](L, "await")
	awaited.handled = true
	if !awaited.settled {
		p.wait(L, p.options.AwaitTimeout, func(wake func()) func() {
			return awaited.whenSettled(func() {
				// In its place among the callbacks.
				p.options.Next("await", func() { wake(); p.options.Rouse() })
			})
		})
	}
	if awaited.rejected {
		vm.Raise(L, &vm.Error{Value: awaited.value, Traceback: awaited.trace})
	}
	L.Push(awaited.value)
	return 1
}

// all returns the promise of a table with the values of others, under their keys. The first rejection is its own.
func (p *Program) all(L *lua.LState) int {
	given := L.CheckTable(1)
	made, values, open := p.newPromise(Where(L)), L.NewTable(), 1
	count := func() {
		if open--; open == 0 {
			made.resolve(values)
		}
	}
	for key, value := given.Next(lua.LNil); key != lua.LNil; key, value = given.Next(key) {
		one := asPromise(value)
		if one == nil {
			values.RawSet(key, value)
			continue
		}
		values.RawSet(key, lua.LFalse) // keeps the order of the keys
		open++
		one.whenSettled(func() {
			if one.rejected {
				made.claimed = true
				made.follow(one)
				return
			}
			values.RawSet(key, one.value)
			count()
		})
	}
	count()
	return p.pushPromise(L, made)
}

// race returns the promise that is settled as the first of others is.
func (p *Program) race(L *lua.LState) int {
	given := L.CheckTable(1)
	made := p.newPromise(Where(L))
	key, value := given.Next(lua.LNil)
	if key == lua.LNil {
		L.ArgError(1, "a race needs somebody to win it: the table is empty")
	}
	for ; key != lua.LNil; key, value = given.Next(key) {
		one := asPromise(value)
		if one == nil {
			made.resolve(value)
			continue
		}
		one.whenSettled(func() {
			made.claimed = true
			made.follow(one)
		})
	}
	return p.pushPromise(L, made)
}
