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

// Append appends a Lua value as JSON, straight from its tables. The keys of an object are written in the order in which they
// were first set. Integers up to 2^53 are written in full, larger ones with an exponent; invalid UTF-8 becomes U+FFFD; nil
// is null. Userdata whose Value has a method AppendJSON(dst []byte) ([]byte, error) is written by it; such userdata must not
// contain itself.
//
// Append returns a [*PathError] for a function, a thread or other userdata, for a table that mixes lists and objects, has
// holes or contains itself, for NaN and infinities, and for a value that exceeds a limit. It returns dst unchanged then.
func Append(dst []byte, v lua.LValue, l Limits) ([]byte, error) {
	e := encoder{
		depth: l.depth(), keys: l.Keys, text: l.text(),
		budget: budget{turn: l.Turn, left: valuesPerCheck}, start: len(dst),
	}
	out, fault := e.checked(e.value(dst, v))
	return outcome("encode", out, dst, fault)
}

// encoder is one call of Append.
type encoder struct {
	depth, keys, text int // the limits; 0 keys: no limit
	start             int // length of dst when the call began
	count             int // members so far
	budget            budget

	exact bool // for Save: marks are written, and values that cannot be restored exactly are refused
	tags  int  // objects around the current table that are tags

	// The tables that are being written, from the outside in. They are in two fields, because most tables are not deep, and
	// with one slice the encoder would escape to the heap.
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
			return dst, refuse(kindOf(v) + " is not plain data")
		}
		return appendUserData(dst, v)
	default:
		return dst, refuse(kindOf(v) + " has no JSON form")
	}
}

func appendString(dst []byte, s string) []byte {
	// The error only reports that invalid UTF-8 was replaced.
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
		// In full it would show digits that are not significant, and Decode refuses such integers.
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
		return dst, refuse(kindOf(v) + " has no JSON form")
	}
	out, err := a.AppendJSON(dst)
	if err != nil {
		return dst, fault(err)
	}
	return out, nil
}

// enter begins a table; leave ends it. A table that contains itself at a deep level is found only when the depth limit is
// reached: to compare each table with all levels would double the time, or take seconds if tables occur again and again.
func (e *encoder) enter(t *lua.LTable) *PathError {
	if slices.Contains(e.outer[:min(e.level, len(e.outer))], t) {
		return containsItself()
	}
	if e.level+e.tags >= e.depth {
		if slices.Contains(e.further, t) {
			return containsItself()
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
			return dst, hole(i)
		}
		var fault *PathError
		if dst, fault = e.checked(e.value(dst, v)); fault != nil {
			return dst, fault.at(lua.LNumber(i))
		}
	}
	if other, _ := t.Next(afterList(length)); other != lua.LNil {
		return dst, superfluousKey(other)
	}
	return append(dst, ']'), nil
}

// afterList returns the key after which Next continues behind a list.
func afterList(length int) lua.LValue {
	if length == 0 {
		return lua.LNil
	}
	return lua.LNumber(length)
}

// fields writes the table of a message's fields.
func (e *encoder) fields(dst []byte, t *lua.LTable) ([]byte, *PathError) {
	if t.RawGetInt(1) != lua.LNil && !isMarked(t, marks.object) {
		return dst, refuse("the fields must be an object, not a list")
	}
	// The table is not left again: nothing comes after it.
	if fault := e.enter(t); fault != nil {
		return dst, fault
	}
	return e.members(dst, t, true)
}

// members writes the members of an object; with envelope, without those that the envelope of a message writes.
func (e *encoder) members(dst []byte, t *lua.LTable, envelope bool) ([]byte, *PathError) {
	comma := false
	for key, v := t.Next(lua.LNil); key != lua.LNil; key, v = t.Next(key) {
		if envelope && isEnvelopeKey(key) {
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
		if dst, fault = e.checked(e.value(append(dst, ':'), v)); fault != nil {
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
			return dst, badKey(k)
		}
		return appendString(dst, string(k)), nil
	case lua.LNumber:
		if isMarked(t, marks.object) && isInteger(float64(k)) && !e.exact {
			return integerKey(dst, t, int64(k))
		}
	}
	return dst, badKey(key)
}

// The errors of tables.

func containsItself() *PathError { return refuse("the table contains itself") }

func hole(i int) *PathError { return refuse("the list has a hole at " + strconv.Itoa(i)) }

func superfluousKey(key lua.LValue) *PathError {
	return refuse("the list also has " + keyText(key))
}

// keyText describes a key of a table. Only that of plain data has a text of its own.
func keyText(key lua.LValue) string {
	switch key.(type) {
	case lua.LString, lua.LNumber, lua.LBool:
		return "the key " + pathStep(key)
	}
	return "a key that is " + kindOf(key)
}

// badKey returns the error of a key that an object cannot have.
func badKey(key lua.LValue) *PathError {
	hint := ""
	switch key.Type() {
	case lua.LTString:
		return refuse("a key that is not UTF-8 has no JSON form")
	case lua.LTNumber:
		hint = "; write tostring(key) if keys are numbers"
	}
	return refuse("the table has " + keyText(key) + ": it is neither a list, with the keys 1 to n, nor an object, with strings for keys" + hint)
}

// integerKey writes a number as a name. It is an error if the table also has that name.
func integerKey(dst []byte, t *lua.LTable, k int64) ([]byte, *PathError) {
	name := strconv.FormatInt(k, 10)
	if t.RawGetString(name) != lua.LNil {
		return dst, refuse("the object has the key " + name + " as a number and as a string")
	}
	return appendString(dst, name), nil
}

func isInteger(f float64) bool { return f == math.Trunc(f) && math.Abs(f) <= maxInteger }

// checked returns its arguments, or an error if the text has become too large or the turn has ended.
func (e *encoder) checked(dst []byte, fault *PathError) ([]byte, *PathError) {
	if fault != nil {
		return dst, fault
	}
	if len(dst)-e.start > e.text {
		return dst, tooLarge(e.text)
	}
	return dst, e.budget.spend()
}

// isEnvelopeKey reports whether the envelope of a message writes the field of that name.
func isEnvelopeKey(key lua.LValue) bool {
	s, ok := key.(lua.LString)
	return ok && (s == "id" || s == "name" || s == "timestamp")
}
