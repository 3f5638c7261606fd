// Package value owns the conversion between JSON and Lua values, and copies, renews and compacts Lua tables. It must not know a
// running Lua: nothing here needs a state, so frames can be decoded on their reader's goroutine. It must not know messages
// either; [Value] and [Fields] have the methods that package wire asks for.
//
// A table with the keys 1..n and no others is a list; a table with strings as keys, or with none, is an object. A mark
// decides if the keys do not: see [MarkArray] and [MarkObject]. Tables are read without metamethods.
//
// A call that only reads its tables may run on any goroutine that may read them.
package value

import lua "github.com/yuin/gopher-lua"

const (
	// maxDepth bounds nesting if no limit is given: every level is a Go call, and Go cannot recover from a stack overflow.
	maxDepth = 1000
	// maxText bounds what one call writes, in bytes: tables that share their children can be small and their text
	// endless. It is far above any message, and above any state that can be saved without noticeable pauses.
	maxText = 16 << 20
	// maxInteger is 2^53: up to it, every integer is a Lua number.
	maxInteger = 1 << 53
)

// Limits bound a text that is decoded or encoded.
type Limits struct {
	// Depth is the maximum of lists and objects inside each other. 0 means 1,000, which is also the highest possible.
	Depth int
	// Keys is the maximum of all objects' members and of all objects and lists inside lists, together. 0 means no limit.
	Keys int
	// Text is the maximum of bytes to write. 0 means 16 MiB, which is also the highest possible.
	Text int
	// BigText makes numbers that Lua would change strings with their text: integers beyond 2^53, numbers beyond 2^52 with
	// more digits than a float64 keeps, and those out of its range. Otherwise they are an error, since nobody notices a rounded id.
	BigText bool
	// Turn is checked now and then: its error ends the call. It is a context, such as that of a Lua thread. Optional if the
	// texts are small.
	Turn Turn
}

// Turn returns an error once its time or memory is used up.
type Turn interface{ Err() error }

// valuesPerCheck is the number of values between two checks of the turn: some 100 microseconds.
const valuesPerCheck = 1000

// budget counts values until the next check of a turn.
type budget struct {
	turn Turn
	left int // values until the next check
}

// spend counts a value. It returns the turn's error.
func (p *budget) spend() *PathError {
	if p.left--; p.left >= 0 || p.turn == nil {
		return nil
	}
	p.left = valuesPerCheck
	if err := p.turn.Err(); err != nil {
		return fault(err)
	}
	return nil
}

func (l Limits) depth() int { return bounded(l.Depth, maxDepth) }

// text returns the maximum of bytes to write.
func (l Limits) text() int { return bounded(l.Text, maxText) }

// bounded returns a limit of 1 to most; most for any other.
func bounded(limit, most int) int {
	if limit <= 0 || limit > most {
		return most
	}
	return limit
}

// Value is a Lua value that travels as JSON. The zero Value is null.
type Value struct {
	LValue lua.LValue
	// Text is the maximum of bytes of its JSON, as in [Limits].
	Text int
}

// AppendJSON appends the value as [Append] does.
func (v Value) AppendJSON(dst []byte) ([]byte, error) {
	return Append(dst, v.LValue, Limits{Text: v.Text})
}

// StringField returns a string field of a table, "" if it is absent. ok is false if the field is not a string or the value
// not a table.
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

// Fields is a table with the fields of a message; nil if it has none.
type Fields struct{ Table *lua.LTable }

// AppendMembers appends the fields as the members of an object, without braces and without id, name and timestamp, which
// belong to the message's envelope. It returns an error for a list, and for everything that [Append] refuses.
func (f Fields) AppendMembers(dst []byte) ([]byte, error) {
	if f.Table == nil {
		return dst, nil
	}
	e := encoder{depth: maxDepth, text: maxText, start: len(dst)}
	out, fault := e.fields(dst, f.Table)
	return outcome("encode fields", out, dst, fault)
}

// newTable returns a table with capacity for a list and for string keys. The latter matters: without it, the first key
// allocates room for 32, which is 2 KB. CreateTable does not use its state.
func newTable(list, keys int) *lua.LTable {
	return (*lua.LState)(nil).CreateTable(list, keys)
}
