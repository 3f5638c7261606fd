// Package value is how JSON and the values of Lua become each other, and how plain data gets into Lua and is copied. It
// knows no running Lua: nothing here needs a state, so that frames can be decoded on their reader's goroutine. It knows
// no message either; [Value] and [Fields] fit what travels by their methods alone.
//
// A table with the keys 1..n and no others is a list; a table with strings for keys, or with none, is an object. A mark
// settles it where the keys do not: see [MarkArray] and [MarkObject]. Tables are read as they are, without metamethods.
//
// A call that only reads its tables may run on any goroutine that may read them.
package value

import lua "github.com/yuin/gopher-lua"

const (
	// maxDepth bounds nesting where no limit is given: every level is a Go call, and Go cannot recover from a stack
	// that is too large.
	maxDepth = 1000
	// maxText bounds what one call writes, in bytes: tables that share their children can be small and their text
	// endless. It is far above any message and above any state that is still pleasant to save.
	maxText = 16 << 20
	// maxInteger is 2^53: up to it, every integer is a Lua number.
	maxInteger = 1 << 53
)

// Limits bound what is decoded or encoded.
type Limits struct {
	// Depth is how many lists and objects may stand inside each other. 0 is no limit of the caller's; above 1,000
	// levels is always an error.
	Depth int
	// Keys is how many members all objects, and how many objects and lists all lists, may have together. 0 is no limit.
	Keys int
	// Text is how many bytes the text may have that is written. 0 is the most that is possible, 16 MiB.
	Text int
	// Turn is asked now and then whether to go on: an error ends the call. It is a context, as that of a Lua thread. nil is
	// for callers whose texts are small.
	Turn Turn
}

// Turn tells, by an error, that there is no more time or memory.
type Turn interface{ Err() error }

// valuesPerAsk is the number of values between two looks at the turn: some 100 microseconds.
const valuesPerAsk = 1000

// patience counts values on behalf of a turn.
type patience struct {
	turn Turn
	left int // values until the turn is asked
}

// spend counts a value. The fault is the turn's error.
func (p *patience) spend() *PathError {
	if p.left--; p.left >= 0 || p.turn == nil {
		return nil
	}
	p.left = valuesPerAsk
	if err := p.turn.Err(); err != nil {
		return fault(err)
	}
	return nil
}

func (l Limits) depth() int {
	if l.Depth <= 0 || l.Depth > maxDepth {
		return maxDepth
	}
	return l.Depth
}

// text is the limit of what one call writes.
func (l Limits) text() int {
	if l.Text <= 0 || l.Text > maxText {
		return maxText
	}
	return l.Text
}

// Value is a Lua value that travels as JSON. The zero Value is null.
type Value struct {
	LValue lua.LValue
	// Text is how many bytes its JSON may have, as in [Limits].
	Text int
}

// AppendJSON appends the value as [Append] does.
func (v Value) AppendJSON(dst []byte) ([]byte, error) {
	return Append(dst, v.LValue, Limits{Text: v.Text})
}

// StringField returns a field of a table that is a string: "" where there is none, and false where it is something else or
// the value no table.
func (v Value) StringField(name string) (text string, ok bool) {
	t, ok := v.LValue.(*lua.LTable)
	if !ok {
		return "", false
	}
	switch field := t.RawGetString(name).(type) {
	case lua.LString:
		return string(field), true
	case *lua.LNilType:
		return "", true
	default:
		return "", false
	}
}

// Fields is a table of fields that a message carries. No table is no fields.
type Fields struct{ Table *lua.LTable }

// AppendMembers appends the fields as the members of an object, without braces and without id, name and timestamp, which
// belong to the message's envelope. A table that is a list is an error, as is everything that [Append] refuses.
func (f Fields) AppendMembers(dst []byte) ([]byte, error) {
	if f.Table == nil {
		return dst, nil
	}
	e := encoder{depth: maxDepth, text: maxText, start: len(dst)}
	out, fault := e.fields(dst, f.Table)
	if fault != nil {
		return dst, fault.while("encode fields")
	}
	return out, nil
}

// newTable returns a table with room for a list and for string keys. The room for keys matters: without, the first key
// makes room for 32, which is 2 KB. CreateTable does not look at its state.
func newTable(list, keys int) *lua.LTable {
	return (*lua.LState)(nil).CreateTable(list, keys)
}
