package value

import lua "github.com/yuin/gopher-lua"

// The tags of Save: an object whose only member has such a name represents a table that plain JSON would not restore.
// The first two are also what getmetatable returns for such a table.
const (
	tagArray  = "json.array"  // a list that is marked
	tagObject = "json.object" // an object that is marked
	tagTable  = "json.table"  // an unmarked object whose only member has the name of a tag
)

// Save appends plain data as JSON from which [Restore] makes the same value: numbers to the last bit, marks, [Null]. It returns
// a [*PathError] for every value that [Append] refuses, and for values that cannot be restored exactly: userdata, tables with a
// metatable of their own, numbers as keys of an object, and strings that are not UTF-8. A table that occurs twice is two tables
// afterwards. limit is the maximum of bytes; 0 means 16 MiB.
func Save(dst []byte, v lua.LValue, limit int) ([]byte, error) {
	e := encoder{depth: maxDepth, text: Limits{Text: limit}.text(), start: len(dst), exact: true}
	out, fault := e.value(dst, v)
	return outcome("save", out, dst, fault)
}

// Restore returns the value of a text that Save wrote. Its errors are those of [Decode].
func Restore(text []byte) (lua.LValue, error) {
	v, err := Decode(text, Limits{}, marks.null)
	if err != nil {
		return nil, err
	}
	return untag(v), nil
}

// tagged writes a table, inside its tag if it needs one.
func (e *encoder) tagged(dst []byte, t *lua.LTable) ([]byte, *PathError) {
	if !isPlain(t) {
		return dst, notPlain()
	}
	tag := tagOf(t)
	if tag == "" {
		return e.contents(dst, t)
	}
	if e.level+e.tags >= e.depth {
		return dst, tooDeep(e.depth)
	}
	e.tags++
	defer func() { e.tags-- }()
	dst, fault := e.contents(append(appendString(append(dst, '{'), tag), ':'), t)
	if fault != nil {
		return dst, fault
	}
	return append(dst, '}'), nil
}

func notPlain() *PathError { return refuse("a table with a metatable is not plain data") }

// tagOf returns the tag that a table needs, or "". An empty list needs none, since Decode marks it.
func tagOf(t *lua.LTable) string {
	switch {
	case isMarked(t, marks.object):
		return tagObject
	case isMarked(t, marks.array):
		if first, _ := t.Next(lua.LNil); first == lua.LNil {
			return ""
		}
		return tagArray
	}
	if tag, _ := onlyMember(t); tag != "" {
		return tagTable
	}
	return ""
}

// onlyMember returns the only member of a table if its name is that of a tag.
func onlyMember(t *lua.LTable) (tag string, v lua.LValue) {
	key, v := t.Next(lua.LNil)
	switch key {
	case lua.LString(tagArray), lua.LString(tagObject), lua.LString(tagTable):
		if next, _ := t.Next(key); next == lua.LNil {
			return key.String(), v
		}
	}
	return "", nil
}

// untag replaces tags by their content, in a value that was just decoded.
func untag(v lua.LValue) lua.LValue {
	t, ok := v.(*lua.LTable)
	if !ok {
		return v
	}
	tag, inner := onlyMember(t)
	if within, ok := inner.(*lua.LTable); ok {
		t = within
		switch tag {
		case tagArray:
			t.Metatable = marks.array
		case tagObject:
			t.Metatable = marks.object
		}
	}
	for key, item := t.Next(lua.LNil); key != lua.LNil; key, item = t.Next(key) {
		if before, ok := item.(*lua.LTable); ok {
			if after := untag(before); after != lua.LValue(before) {
				t.RawSet(key, after)
			}
		}
	}
	return t
}
