package promise

import (
	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
	"perigee/engine/script/vm"
)

func (r *Runtime) push(L *lua.LState, made *promise) int {
	return api.Push(L, api.NewObject(made, r.metatable))
}

// Functions are the entries of the module server.
func (r *Runtime) Functions() []api.Function {
	return []api.Function{
		{Name: "sleep", Signature: "(ms: number)", Doc: "Waits that many milliseconds, while other turns run. Raises an error if that is longer than lua.await_timeout.", Run: r.sleep},
		{
			Name: "promise", Signature: "(fn: fun(resolve: fun(value?: any), reject: fun(reason?: any))): perigee.Promise",
			Doc: "Returns a promise. The function is called at once, and settles the promise with resolve or reject, then or later. An error that it raises rejects the promise.",
			Run: r.create,
		},
		{
			Name: "async", Signature: "(fn: fun(...: any): any): fun(...: any): perigee.Promise",
			Doc: "Returns a function. Each call of it runs fn with its arguments in a separate turn, later, and returns a promise of the result.",
			Run: r.async,
		},
		{
			Name: "all", Signature: "(list: table): perigee.Promise",
			Doc: "Returns a promise of a table with the values of the listed promises under the same keys. It is rejected as soon as one of them is; the others go on.",
			Run: r.all,
		},
		{
			Name: "race", Signature: "(list: table): perigee.Promise",
			Doc: "Returns a promise that settles as the first of the listed promises does; the others go on. An empty list is an error.",
			Run: r.race,
		},
	}
}

// Kind describes promises to scripts.
func (r *Runtime) Kind() api.Kind {
	return api.Kind{
		Name: "promise", Class: "Promise", Doc: "A result that comes later.", Metatable: &r.metatable, Methods: r.methods(),
	}
}

func (r *Runtime) methods() []api.Function {
	return []api.Function{
		{
			Name: "next", Signature: "(fulfilled?: fun(value: any): any, failed?: fun(reason: any): any): perigee.Promise",
			Doc: "Returns a promise of the result of fulfilled, called with the value, or of failed, called with the reason of a rejection. A callback runs in a turn of its own. If it returns a promise, that is waited for; if it raises an error, the new promise is rejected. Without the callback, the new promise settles as this one does.",
			Run: func(L *lua.LState) int { return r.then(L, "next", L.OptFunction(2, nil), L.OptFunction(3, nil)) },
		},
		{
			Name: "catch", Signature: "(failed: fun(reason: any): any): perigee.Promise",
			Doc: "Returns a promise of the result of failed, called with the reason of a rejection, as next does.",
			Run: func(L *lua.LState) int { return r.then(L, "catch", nil, L.CheckFunction(2)) },
		},
		{Name: "await", Signature: "(): any", Doc: "Waits until it has settled. Returns the value, or raises the reason exactly as it was given.", Run: r.await},
		{
			Name: "cancel", Signature: "()",
			Doc: "Rejects it with \"cancelled\", unless it has settled. A function of server.async then has its present wait, and every later one, end with that error. Promises that were given to server.all or server.race go on.",
			Run: api.Action("cancel", (*promise).cancel),
		},
	}
}

// create is server.promise: it calls a function with resolve and reject.
func (r *Runtime) create(L *lua.LState) int {
	executor := L.CheckFunction(1)
	r.CheckDeferred(L)
	made := r.newPromise(api.CallSite(L))
	resolver := func(settle func(value lua.LValue)) lua.LValue {
		return L.NewFunction(func(L *lua.LState) int {
			settle(L.Get(1))
			return 0
		})
	}
	_, err := r.options.VM.Call(api.Caller(L), 0, executor, resolver(made.resolve), resolver(made.reject))
	if err != nil {
		made.settleWith(lua.LNil, err)
	}
	return r.push(L, made)
}

// async is server.async: it returns a function that runs another in a separate turn and returns a promise of its result.
func (r *Runtime) async(L *lua.LState) int {
	fn := L.CheckFunction(1)
	name := "async " + api.CallSite(L)
	return api.Push(L, L.NewFunction(func(L *lua.LState) int {
		r.CheckDeferred(L)
		made := r.newPromise(api.CallSite(L))
		made.task = &task{}
		c := &api.Call{Name: name, Message: api.Caller(L).Message}
		args := make([]lua.LValue, L.GetTop())
		for i := range args {
			args[i] = L.Get(i + 1)
		}
		r.options.Turn(name, func() { r.runAsync(made, c, fn, args) })
		return r.push(L, made)
	}))
}

// runAsync is the turn of an async function.
func (r *Runtime) runAsync(made *promise, c *api.Call, fn *lua.LFunction, args []lua.LValue) {
	if made.settled { // it was cancelled before it began
		return
	}
	result, err := r.call(made.task, c, fn, args)
	if err == nil || made.task.reason == "" {
		made.settleWith(result, err)
		return
	}
	// The cancelled promise cannot report how the call ended, but an unhandled error is still logged.
	late := r.newPromise(made.place)
	late.settleWith(result, err)
}

// call calls a function as part of a task.
func (r *Runtime) call(t *task, c *api.Call, fn *lua.LFunction, args []lua.LValue) (lua.LValue, error) {
	r.task = t
	defer func() { r.task = nil }() // also if it panics
	return r.options.VM.Call(c, 0, fn, args...)
}

// then is promise:next and promise:catch.
func (r *Runtime) then(L *lua.LState, method string, fulfilled, failed *lua.LFunction) int {
	r.CheckDeferred(L)
	place := api.CallSite(L)
	c := &api.Call{Name: "promise " + place, Message: api.Caller(L).Message}
	return r.push(L, api.Self[*promise](L, method).then(c, place, fulfilled, failed))
}

// await is promise:await.
func (r *Runtime) await(L *lua.LState) int {
	awaited := api.Self[*promise](L, "await")
	awaited.handled = true
	if !awaited.settled {
		r.Wait(L, func(wake func()) func() {
			return awaited.whenSettled(func() { r.wakeNext("await", wake) })
		})
	}
	if awaited.rejected {
		vm.Raise(L, &vm.Error{Value: awaited.value, Traceback: awaited.trace, Cause: awaited.cause})
	}
	return api.Push(L, awaited.value)
}

// all is server.all.
func (r *Runtime) all(L *lua.LState) int {
	given := L.CheckTable(1)
	r.CheckDeferred(L)
	made, values, open := r.newPromise(api.CallSite(L)), L.NewTable(), 1
	count := func() {
		if open--; open == 0 {
			made.resolve(values)
		}
	}
	for key, value := given.Next(lua.LNil); key != lua.LNil; key, value = given.Next(key) {
		one, ok := api.ObjectOf[*promise](value)
		if !ok {
			values.RawSet(key, value)
			continue
		}
		values.RawSet(key, lua.LFalse) // keeps the order of the keys
		open++
		one.whenSettled(func() {
			if one.rejected {
				made.follow(one)
				return
			}
			values.RawSet(key, one.value)
			count()
		})
	}
	count()
	return r.push(L, made)
}

// race is server.race.
func (r *Runtime) race(L *lua.LState) int {
	given := L.CheckTable(1)
	r.CheckDeferred(L)
	made := r.newPromise(api.CallSite(L))
	key, value := given.Next(lua.LNil)
	if key == lua.LNil {
		L.ArgError(1, "the list is empty")
	}
	for ; key != lua.LNil; key, value = given.Next(key) {
		one, ok := api.ObjectOf[*promise](value)
		if !ok {
			made.resolve(value)
			continue
		}
		one.whenSettled(func() { made.follow(one) })
	}
	return r.push(L, made)
}
