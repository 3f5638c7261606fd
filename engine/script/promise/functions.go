package promise

import (
	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
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

func (k *Keeper) push(L *lua.LState, made *promise) int {
	L.Push(api.Object(made, k.metatable))
	return 1
}

// Functions are those of the module server.
func (k *Keeper) Functions() []api.Function {
	return []api.Function{
		{Name: "sleep", Signature: "(ms: number)", Doc: "Waits here, while other turns go on.", Run: k.sleep},
		{
			Name: "promise", Signature: "(fn: fun(resolve: fun(value?: any), reject: fun(reason?: any))): perigee.Promise",
			Doc: "Returns a promise that the function settles; it is called at once.", Run: k.create,
		},
		{
			Name: "async", Signature: "(fn: fun(...: any): any): fun(...: any): perigee.Promise",
			Doc: "Returns a function that runs this one in a turn of its own and returns the promise of its result.", Run: k.async,
		},
		{
			Name: "all", Signature: "(list: table): perigee.Promise",
			Doc: "Returns the promise of a table with the value of each, under the same keys.", Run: k.all,
		},
		{
			Name: "race", Signature: "(list: table): perigee.Promise",
			Doc: "Returns a promise that is settled as the first of them is.", Run: k.race,
		},
	}
}

// Kind is how scripts see a promise.
func (k *Keeper) Kind() api.Kind {
	return api.Kind{
		Name: "promise", Class: "Promise", Doc: "A result that comes later.", As: &k.metatable, Methods: k.methods(),
	}
}

func (k *Keeper) methods() []api.Function {
	return []api.Function{
		{
			Name: "next", Signature: "(fulfilled?: fun(value: any): any, failed?: fun(reason: any): any): perigee.Promise",
			Doc: "Returns the promise of what a callback makes of the value, or of the reason.",
			Run: func(L *lua.LState) int { return k.then(L, "next", L.OptFunction(2, nil), L.OptFunction(3, nil)) },
		},
		{
			Name: "catch", Signature: "(failed: fun(reason: any): any): perigee.Promise",
			Doc: "Returns the promise of what a callback makes of the reason.",
			Run: func(L *lua.LState) int { return k.then(L, "catch", nil, L.CheckFunction(2)) },
		},
		{Name: "await", Signature: "(): any", Doc: "Waits; returns the value, or raises the reason.", Run: k.await},
		{Name: "cancel", Signature: "()", Doc: `Rejects it with "cancelled", unless it has settled.`, Run: func(L *lua.LState) int {
			api.Self[*promise](L, "cancel").cancel()
			return 0
		}},
	}
}

// create makes one that a function settles: the function is called at once with resolve and reject.
func (k *Keeper) create(L *lua.LState) int {
	executor := L.CheckFunction(1)
	k.Room(L)
	made := k.promise(api.Where(L))
	settler := func(settle func(value lua.LValue)) lua.LValue {
		return L.NewFunction(func(L *lua.LState) int {
			settle(L.Get(1))
			return 0
		})
	}
	_, err := k.options.VM.Call(api.Caller(L), 0, executor, settler(made.resolve), settler(made.reject))
	if err != nil {
		made.finish(lua.LNil, err)
	}
	return k.push(L, made)
}

// async returns a function that runs another in a turn of its own, and returns the promise of its result.
func (k *Keeper) async(L *lua.LState) int {
	fn := L.CheckFunction(1)
	name := "async " + api.Where(L)
	L.Push(L.NewFunction(func(L *lua.LState) int {
		k.Room(L)
		made := k.promise(api.Where(L))
		made.task = &task{}
		c := &api.Call{Name: name, Text: api.Caller(L).Text}
		args := make([]lua.LValue, L.GetTop())
		for i := range args {
			args[i] = L.Get(i + 1)
		}
		k.options.Turn(name, func() { k.perform(made, c, fn, args) })
		return k.push(L, made)
	}))
	return 1
}

// perform is the turn of an async function.
func (k *Keeper) perform(made *promise, c *api.Call, fn *lua.LFunction, args []lua.LValue) {
	if made.settled {
		return // it was cancelled before it began
	}
	result, err := k.call(made.task, c, fn, args)
	if err == nil || made.task.cancelled == "" {
		made.finish(result, err)
		return
	}
	// Nobody hears any more of how it ended, unless it is a mistake.
	late := k.promise(made.place)
	late.finish(result, err)
}

// call calls a function of a task.
func (k *Keeper) call(t *task, c *api.Call, fn *lua.LFunction, args []lua.LValue) (lua.LValue, error) {
	k.task = t
	defer func() { k.task = nil }() // also where it panics
	return k.options.VM.Call(c, 0, fn, args...)
}

// then is promise:next and promise:catch.
func (k *Keeper) then(L *lua.LState, method string, fulfilled, failed *lua.LFunction) int {
	k.Room(L)
	place := api.Where(L)
	c := &api.Call{Name: "promise " + place, Text: api.Caller(L).Text}
	return k.push(L, api.Self[*promise](L, method).then(c, place, fulfilled, failed))
}

// await waits for a promise and returns its value, or raises its reason.
func (k *Keeper) await(L *lua.LState) int {
	awaited := api.Self[*promise](L, "await")
	awaited.handled = true
	if !awaited.settled {
		k.Wait(L, func(wake func()) func() {
			return awaited.whenSettled(func() { k.soon("await", wake) })
		})
	}
	if awaited.rejected {
		vm.Raise(L, &vm.Error{Value: awaited.value, Traceback: awaited.trace})
	}
	L.Push(awaited.value)
	return 1
}

// all returns the promise of a table with the values of others, under their keys. The first rejection is its own.
func (k *Keeper) all(L *lua.LState) int {
	given := L.CheckTable(1)
	k.Room(L)
	made, values, open := k.promise(api.Where(L)), L.NewTable(), 1
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
	return k.push(L, made)
}

// race returns the promise that is settled as the first of others is.
func (k *Keeper) race(L *lua.LState) int {
	given := L.CheckTable(1)
	k.Room(L)
	made := k.promise(api.Where(L))
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
	return k.push(L, made)
}
