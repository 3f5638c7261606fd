package value

import (
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	lua "github.com/yuin/gopher-lua"
)

// appender is userdata that knows its own JSON, such as a client.
type appender interface {
	AppendJSON(dst []byte) ([]byte, error)
}

// Append appends a Lua value as JSON, straight from its tables. Keys of objects come in the order in which they were first
// set. Integers up to 2^53 are written in full, larger ones with an exponent; invalid UTF-8 becomes U+FFFD; nil is null.
// Userdata whose Value has a method AppendJSON(dst []byte) ([]byte, error) is written by it; whoever makes such userdata
// sees to it that it does not contain itself.
//
// The error is a [*PathError]: for a function, a thread or other userdata, for a table that mixes lists and objects, has
// holes or contains itself, for NaN and infinities, and for what breaks a limit. dst is then returned as it was.
func Append(dst []byte, v lua.LValue, l Limits) ([]byte, error) {
	e := encoder{
		depth: l.depth(), keys: l.Keys, text: l.text(),
		patience: patience{turn: l.Turn, left: valuesPerAsk}, start: len(dst),
	}
	out, fault := e.bounded(e.value(dst, v))
	if fault != nil {
		return dst, fault.while("encode")
	}
	return out, nil
}

// encoder is one call of Append.
type encoder struct {
	depth, keys, text int // the limits; no limit of keys where 0
	start             int // where in dst the call began
	count             int // members so far
	patience          patience

	exact bool // what would not be the same when it is read again is refused, and marks are written
	tags  int  // objects around the present place that only hold a mark

	// The tables that are being written, from the outside in: two places, as most tables are not deep and an encoder
	// with one slice of them would not fit on the stack.
	level   int
	outer   [16]*lua.LTable
	further []*lua.LTable
}

func (e *encoder) value(dst []byte, v lua.LValue) ([]byte, *PathError) {
	switch v := v.(type) {
	case nil, *lua.LNilType:
		return append(dst, "null"...), nil
	case lua.LBool:
		return strconv.AppendBool(dst, bool(v)), nil
	case lua.LNumber:
		if e.exact && v == 0 && math.Signbit(float64(v)) {
			return append(dst, "-0.0"...), nil
		}
		return appendNumber(dst, float64(v))
	case lua.LString:
		if e.exact && !utf8.ValidString(string(v)) {
			return dst, refuse("a string that is not UTF-8 has no JSON form")
		}
		return appendString(dst, string(v)), nil
	case *lua.LTable:
		return e.table(dst, v)
	case *lua.LUserData:
		if e.exact && v != marks.null {
			return dst, refuse(kind(v) + " is no plain data")
		}
		return appendUserData(dst, v)
	default:
		return dst, refuse(kind(v) + " has no JSON form")
	}
}

func appendString(dst []byte, s string) []byte {
	// The error only tells that invalid UTF-8 was replaced.
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}

func appendNumber(dst []byte, f float64) ([]byte, *PathError) {
	switch {
	case math.IsNaN(f):
		return dst, refuse("NaN has no JSON form")
	case math.IsInf(f, 0):
		return dst, refuse("an infinite number has no JSON form")
	case isInteger(f):
		return strconv.AppendInt(dst, int64(f), 10), nil
	case math.Abs(f) > maxInteger:
		// Digits that are not significant would look as if they were, and Decode refuses such integers.
		return strconv.AppendFloat(dst, f, 'e', -1, 64), nil
	default:
		return jsontext.AppendFloat(dst, f, 64), nil
	}
}

func appendUserData(dst []byte, v *lua.LUserData) ([]byte, *PathError) {
	if v == marks.null {
		return append(dst, "null"...), nil
	}
	a, ok := v.Value.(appender)
	if !ok {
		return dst, refuse(kind(v) + " has no JSON form")
	}
	out, err := a.AppendJSON(dst)
	if err != nil {
		return dst, fault(err)
	}
	return out, nil
}

// enter begins a table; leave ends it. A table that contains itself far inside is found once it is too deep: to look at
// all levels at each table would take as long as all else, or, where the same tables come again and again, seconds.
func (e *encoder) enter(t *lua.LTable) *PathError {
	if slices.Contains(e.outer[:min(e.level, len(e.outer))], t) {
		return refuse("the table contains itself")
	}
	if e.level+e.tags >= e.depth {
		if slices.Contains(e.further, t) {
			return refuse("the table contains itself")
		}
		return tooDeep(e.depth)
	}
	if e.level < len(e.outer) {
		e.outer[e.level] = t
	} else {
		e.further = append(e.further, t)
	}
	e.level++
	return nil
}

func (e *encoder) leave() {
	e.level--
	if len(e.further) > 0 {
		e.further = e.further[:len(e.further)-1]
	}
}

func (e *encoder) table(dst []byte, t *lua.LTable) ([]byte, *PathError) {
	if fault := e.enter(t); fault != nil {
		return dst, fault
	}
	defer e.leave()
	if e.exact {
		return e.tagged(dst, t)
	}
	return e.contents(dst, t)
}

func (e *encoder) contents(dst []byte, t *lua.LTable) ([]byte, *PathError) {
	if isMarked(t, marks.array) || t.RawGetInt(1) != lua.LNil && !isMarked(t, marks.object) {
		return e.list(dst, t)
	}
	dst, fault := e.members(append(dst, '{'), t, false)
	if fault != nil {
		return dst, fault
	}
	return append(dst, '}'), nil
}

func (e *encoder) list(dst []byte, t *lua.LTable) ([]byte, *PathError) {
	length := t.Len()
	dst = append(dst, '[')
	for i := 1; i <= length; i++ {
		if i > 1 {
			dst = append(dst, ',')
		}
		v := t.RawGetInt(i)
		if v == lua.LNil {
			return dst, refuse("the list has a hole at " + strconv.Itoa(i))
		}
		var fault *PathError
		if dst, fault = e.bounded(e.value(dst, v)); fault != nil {
			return dst, fault.at(lua.LNumber(i))
		}
	}
	if other, _ := t.Next(afterList(length)); other != lua.LNil {
		return dst, refuse("the list has also the key " + step(other))
	}
	return append(dst, ']'), nil
}

// afterList returns the key from which Next goes on behind a list.
func afterList(length int) lua.LValue {
	if length == 0 {
		return lua.LNil
	}
	return lua.LNumber(length)
}

// fields writes the table of a message's fields.
func (e *encoder) fields(dst []byte, t *lua.LTable) ([]byte, *PathError) {
	if t.RawGetInt(1) != lua.LNil && !isMarked(t, marks.object) {
		return dst, refuse("a list has no names for its fields")
	}
	// The table is not left again: nothing comes after it.
	if fault := e.enter(t); fault != nil {
		return dst, fault
	}
	return e.members(dst, t, true)
}

// members writes what an object contains, less what belongs to the envelope of a message.
func (e *encoder) members(dst []byte, t *lua.LTable, envelope bool) ([]byte, *PathError) {
	comma := false
	for key, v := t.Next(lua.LNil); key != lua.LNil; key, v = t.Next(key) {
		if envelope && ofEnvelope(key) {
			continue
		}
		if comma {
			dst = append(dst, ',')
		}
		comma = true
		var fault *PathError
		if dst, fault = e.key(dst, t, key); fault != nil {
			return dst, fault
		}
		if dst, fault = e.bounded(e.value(append(dst, ':'), v)); fault != nil {
			return dst, fault.at(key)
		}
	}
	return dst, nil
}

func (e *encoder) key(dst []byte, t *lua.LTable, key lua.LValue) ([]byte, *PathError) {
	e.count++
	if e.keys > 0 && e.count > e.keys {
		return dst, tooMuch("more than " + strconv.Itoa(e.keys) + " keys")
	}
	switch k := key.(type) {
	case lua.LString:
		if e.exact && !utf8.ValidString(string(k)) {
			return dst, refuse("a key that is not UTF-8 has no JSON form")
		}
		return appendString(dst, string(k)), nil
	case lua.LNumber:
		if isMarked(t, marks.object) && isInteger(float64(k)) && !e.exact {
			return integerKey(dst, t, int64(k))
		}
	}
	hint := ""
	if key.Type() == lua.LTNumber {
		hint = "; write tostring(key) where keys are numbers"
	}
	return dst, refuse("the table has the key " + step(key) + ": it is neither a list, with the keys 1 to n, nor an object, with strings for keys" + hint)
}

// integerKey writes a number as a name, unless the table has that name already.
func integerKey(dst []byte, t *lua.LTable, k int64) ([]byte, *PathError) {
	name := strconv.FormatInt(k, 10)
	if t.RawGetString(name) != lua.LNil {
		return dst, refuse("the object has the key " + name + " as a number and as a string")
	}
	return appendString(dst, name), nil
}

func isInteger(f float64) bool { return f == math.Trunc(f) && math.Abs(f) <= maxInteger }

// bounded passes a result on unless the text has become too large, or the turn too long.
func (e *encoder) bounded(dst []byte, fault *PathError) ([]byte, *PathError) {
	if fault != nil {
		return dst, fault
	}
	if len(dst)-e.start > e.text {
		return dst, tooLarge(e.text)
	}
	return dst, e.patience.spend()
}

// ofEnvelope tells whether a field has a name that the message's envelope writes itself.
func ofEnvelope(key lua.LValue) bool {
	s, ok := key.(lua.LString)
	return ok && (s == "id" || s == "name" || s == "timestamp")
}
