package value

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	lua "github.com/yuin/gopher-lua"
)

// Decode returns the Lua value of exactly one JSON value. Members that are null become the parameter null; if that is nil,
// they are left out of their objects. In lists, and alone, null is always [Null]. Names stay strings, whatever they look
// like; of members with the same name the last one counts, and half a surrogate pair is read as U+FFFD, as JSON.parse in
// browsers does. An empty list is marked, so that it stays one.
//
// The error is a [*PathError]. It wraps [ErrSyntax], or a [*LimitError] if the value exceeds a limit or has a number that
// Lua cannot represent, see [Limits.BigText].
func Decode(text []byte, l Limits, null lua.LValue) (lua.LValue, error) {
	if !utf8.Valid(text) {
		return outcome[lua.LValue]("decode", nil, nil, fault(fmt.Errorf("%w: invalid UTF-8", ErrSyntax)))
	}
	d := decoders.Get().(*decoder)
	defer d.release()
	d.reset(text, l, null)
	v, fault := d.document()
	return outcome("decode", v, nil, fault)
}

// decoder reads one text. Members are collected on stacks until their object ends: only then the size of its table is known.
type decoder struct {
	jsontext.Decoder
	source      bytes.Buffer
	depth, keys int        // the limits; 0 keys: no limit
	null        lua.LValue // replaces a null member; nil leaves it out
	bigText     bool
	count       int // members so far
	budget      budget
	names       []string     // of the objects that are being read
	values      []lua.LValue // of the objects and lists that are being read
}

// decoders holds idle decoders: a new one costs more than a small message.
var decoders = sync.Pool{New: func() any { return new(decoder) }} //nolint:gochecknoglobals // a cache without observable state

func (d *decoder) reset(text []byte, l Limits, null lua.LValue) {
	d.source = *bytes.NewBuffer(text)
	d.Reset(&d.source, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	d.depth, d.keys, d.bigText, d.null, d.count = l.depth(), l.Keys, l.BigText, null, 0
	d.budget = budget{turn: l.Turn, left: valuesPerCheck}
}

// release clears the decoder and returns it to the pool.
func (d *decoder) release() {
	const kept = 1024 // entries; a large text does not make its stacks stay
	d.source, d.null, d.budget = bytes.Buffer{}, nil, budget{}
	d.Reset(&d.source)
	clear(d.names)
	clear(d.values)
	d.names, d.values = d.names[:0], d.values[:0]
	if cap(d.names) > kept || cap(d.values) > kept {
		d.names, d.values = nil, nil
	}
	decoders.Put(d)
}

// document reads a value and the end of the text.
func (d *decoder) document() (lua.LValue, *PathError) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, syntax(err)
	}
	v, fault := d.value(token, 0)
	if fault != nil {
		return nil, fault
	}
	switch _, err := d.ReadToken(); {
	case err == nil:
		return nil, syntax(errors.New("more text after the value"))
	case !errors.Is(err, io.EOF):
		return nil, syntax(err)
	}
	if v == lua.LNil {
		return marks.null, nil
	}
	return v, nil
}

// value reads the value that begins with a token. null becomes lua.LNil.
func (d *decoder) value(token jsontext.Token, depth int) (lua.LValue, *PathError) {
	if fault := d.budget.spend(); fault != nil {
		return nil, fault
	}
	switch token.Kind() {
	case jsontext.KindNull:
		return lua.LNil, nil
	case jsontext.KindFalse:
		return lua.LFalse, nil
	case jsontext.KindTrue:
		return lua.LTrue, nil
	case jsontext.KindString:
		return lua.LString(token.String()), nil
	case jsontext.KindNumber:
		return d.number(token.String())
	}
	if depth == d.depth {
		return nil, tooDeep(d.depth)
	}
	if token.Kind() == jsontext.KindBeginObject {
		return d.object(depth + 1)
	}
	return d.list(depth + 1)
}

func (d *decoder) object(depth int) (lua.LValue, *PathError) {
	name, value := len(d.names), len(d.values)
	for {
		token, err := d.ReadToken()
		if err != nil {
			return nil, syntax(err)
		}
		if token.Kind() == jsontext.KindEndObject {
			break
		}
		if d.count++; d.keys > 0 && d.count > d.keys {
			return nil, tooManyKeys(d.keys)
		}
		key := token.String()
		d.names = append(d.names, key)
		if token, err = d.ReadToken(); err != nil {
			return nil, syntax(err).at(lua.LString(key))
		}
		v, fault := d.value(token, depth)
		if fault != nil {
			return nil, fault.at(lua.LString(key))
		}
		if v == lua.LNil && d.null != nil {
			v = d.null
		}
		d.values = append(d.values, v)
	}
	t := newTable(0, len(d.names)-name)
	for i, v := range d.values[value:] {
		// A null removes an earlier member of the same name; otherwise it leaves no trace.
		if n := d.names[name+i]; v != lua.LNil || t.RawGetString(n) != lua.LNil {
			t.RawSetString(n, v)
		}
	}
	d.pop(name, value)
	return t, nil
}

func (d *decoder) list(depth int) (lua.LValue, *PathError) {
	name, value := len(d.names), len(d.values)
	for {
		token, err := d.ReadToken()
		if err != nil {
			return nil, syntax(err)
		}
		if token.Kind() == jsontext.KindEndArray {
			break
		}
		index := len(d.values) - value + 1
		if index >= lua.MaxArrayIndex {
			return nil, tooMuch("a list of more than " + strconv.Itoa(lua.MaxArrayIndex-1) + " values")
		}
		v, fault := d.value(token, depth)
		if fault != nil {
			return nil, fault.at(lua.LNumber(index - 1))
		}
		if v == lua.LNil {
			v = marks.null
		}
		if v.Type() == lua.LTTable {
			// Two bytes of text make hundreds of a table.
			if d.count++; d.keys > 0 && d.count > d.keys {
				return nil, tooManyKeys(d.keys).at(lua.LNumber(index - 1))
			}
		}
		d.values = append(d.values, v)
	}
	length := len(d.values) - value
	t := newTable(length, 0)
	if length == 0 {
		t.Metatable = marks.array
	}
	for _, v := range d.values[value:] {
		t.Append(v)
	}
	d.pop(name, value)
	return t, nil
}

// pop shortens both stacks.
func (d *decoder) pop(name, value int) {
	clear(d.names[name:])
	clear(d.values[value:])
	d.names, d.values = d.names[:name], d.values[:value]
}

// syntax returns the error of text that is not JSON.
func syntax(err error) *PathError {
	at, ok := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case ok:
		return fault(fmt.Errorf("%w: %w at byte %d", ErrSyntax, at.Err, at.ByteOffset))
	case errors.Is(err, io.EOF):
		return fault(fmt.Errorf("%w: no value", ErrSyntax))
	default:
		return fault(fmt.Errorf("%w: %w", ErrSyntax, err))
	}
}
