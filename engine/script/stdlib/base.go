package stdlib

import (
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/operator"
	"perigee/engine/script/stdlib/pattern"
)

// openBase sets the base functions. gopher-lua's assert wants a string for its message, error wants an argument, print writes
// to stdout, rawset returns nothing, select refuses "2", setmetatable accepts any value, tonumber reads "010" as octal
// and refuses "1e5", and unpack overflows the registry.
func (l *library) openBase(L *lua.LState) {
	globals := L.Get(lua.GlobalsIndex).(*lua.LTable)
	globals.RawSetString("_G", globals)
	globals.RawSetString("_VERSION", lua.LString(lua.LuaVersion))
	register(L, globals, map[string]function{
		"assert":       baseAssert,
		"error":        baseError,
		"getmetatable": baseGetmetatable,
		"next":         l.baseNext,
		"print":        l.basePrint,
		"rawequal":     baseRawequal,
		"rawget":       baseRawget,
		"rawset":       baseRawset,
		"select":       baseSelect,
		"setmetatable": baseSetmetatable,
		"tonumber":     baseTonumber,
		"tostring":     baseTostring,
		"type":         baseType,
		"unpack":       baseUnpack,
	})
	next := globals.RawGetString("next")
	step := newFunction(L, "ipairs", ipairsStep)
	register(L, globals, map[string]function{
		"pairs":  func(c call) int { return iterator(c, next, lua.LNil) },
		"ipairs": func(c call) int { return iterator(c, step, lua.LNumber(0)) },
	})
}

// iterator pushes the three values of a generic for: the function, the table and the first key.
func iterator(c call, step, from lua.LValue) int {
	t := c.table()
	c.L.Push(step)
	c.L.Push(t)
	c.L.Push(from)
	return 3
}

func ipairsStep(c call) int {
	t, i := c.table(), c.integer(2)+1
	v := t.RawGetInt(i)
	if v == lua.LNil {
		return 0
	}
	c.L.Push(lua.LNumber(i))
	c.L.Push(v)
	return 2
}

// baseAssert raises the message unchanged, whatever its type and without a position (as later versions of Lua do), so
// that an error value keeps its identity.
func baseAssert(c call) int {
	if lua.LVAsBool(c.value(1)) {
		return c.L.GetTop()
	}
	message := c.L.Get(2)
	if message == lua.LNil {
		message = lua.LString("assertion failed!")
	}
	c.L.Error(message, 0)
	return 0
}

func baseError(c call) int {
	level := c.optInteger(2, 1)
	message := c.L.Get(1)
	if level > 0 && lua.LVCanConvToString(message) {
		message = lua.LString(pattern.Position(c.L, level) + operator.TextOf(message))
	}
	c.L.Error(message, 0)
	return 0
}

// baseGetmetatable hides the metatables of numbers and of libraries, which are ours.
func baseGetmetatable(c call) int {
	switch v := c.value(1).(type) {
	case lua.LNumber:
		return c.push(lua.LNil)
	case *lua.LTable:
		if s, ok := sharedBy(v); ok && s.Missing == "" {
			return c.push(lua.LNil)
		}
	}
	return c.push(c.L.GetMetatable(c.value(1)))
}

// baseSetmetatable accepts only tables: the metatable of strings belongs to all scripts.
func baseSetmetatable(c call) int {
	t := c.table()
	metatable := c.L.Get(2)
	if _, ok := metatable.(*lua.LTable); !ok && (metatable != lua.LNil || c.L.GetTop() < 2) {
		return c.argument(2, "nil or table expected")
	}
	if c.L.GetMetaField(t, "__metatable") != lua.LNil {
		return c.raise("cannot change a protected metatable")
	}
	c.L.SetMetatable(t, metatable)
	return c.push(t)
}

func baseRawequal(c call) int { return c.push(lua.LBool(c.L.RawEqual(c.value(1), c.value(2)))) }

func baseRawget(c call) int {
	t, key := c.table(), c.value(2)
	if s, ok := sharedBy(t); ok {
		return c.push(s.get(t, key))
	}
	return c.push(t.RawGet(key))
}

func baseRawset(c call) int {
	t, key, value := c.table(), c.value(2), c.value(3)
	if s, ok := sharedBy(t); ok {
		s.set(c.L, t, key, value)
	} else {
		c.L.RawSet(t, key, value)
	}
	return c.push(t)
}

func baseSelect(c call) int {
	count := c.L.GetTop()
	if s, ok := c.L.Get(1).(lua.LString); ok && strings.HasPrefix(string(s), "#") {
		return c.numbers(float64(count - 1))
	}
	from := c.integer(1)
	if from < 0 {
		from += count
	}
	from = min(from, count)
	if from < 1 {
		return c.argument(1, "index out of range")
	}
	return c.checkCount(count - from)
}

// checkCount returns n, the number of values that a call returns. It raises an error if they are too many.
func (c call) checkCount(n int) int {
	if n > maxValues {
		return c.raise("too many results of '%s' (limit %d)", c.name, maxValues)
	}
	return n
}

func baseUnpack(c call) int {
	t := c.table()
	from := c.optInteger(2, 1)
	to := c.optInteger(3, t.Len())
	n := c.checkCount(max(to-from+1, 0))
	for i := range n {
		c.L.Push(rawGet(t, from+i))
	}
	return n
}

func baseTonumber(c call) int {
	base := c.optInteger(2, 10)
	if base == 10 {
		return c.numberOrNil(operator.Number(c.value(1)))
	}
	s := c.text(1)
	if base < 2 || base > 36 {
		return c.argument(2, "base out of range")
	}
	return c.numberOrNil(parseBase(s, base))
}

// numberOrNil pushes a number, or nil if ok is false.
func (c call) numberOrNil(f float64, ok bool) int {
	if !ok {
		return c.push(lua.LNil)
	}
	return c.numbers(f)
}

func baseTostring(c call) int { return c.push(c.tostring(c.value(1))) }

// tostring converts any value; the result of a __tostring may be anything.
func (c call) tostring(v lua.LValue) lua.LValue {
	if n, ok := v.(lua.LNumber); ok {
		return lua.LString(operator.Text(float64(n)))
	}
	return c.L.ToStringMeta(v)
}

func baseType(c call) int { return c.result(c.value(1).Type().String()) }

// basePrint passes one line to Options.Print. It does not catch errors of a __tostring.
func (l *library) basePrint(c call) int {
	out := output{call: c, bytes: l.takeBuffer()}
	for i := range c.L.GetTop() {
		text := c.tostring(c.L.Get(i + 1))
		if !lua.LVCanConvToString(text) {
			return c.raise("'tostring' must return a string to 'print'")
		}
		if i > 0 {
			out.addByte('\t')
		}
		out.add(operator.TextOf(text))
	}
	l.print(string(out.bytes))
	l.returnBuffer(out.bytes)
	return 0
}
