package bind

import (
	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
	"perigee/engine/script/store"
	"perigee/engine/script/value"
	"perigee/engine/wire"
)

// MaxData is the size of client.data, in bytes of JSON.
const MaxData = 64 << 10

// dataAccesses are the clients whose table client.data a slice of Lua code has got, and so may have changed. Tables do not tell who
// changes them.
type dataAccesses struct {
	list []dataAccess
	text []byte // where tables are encoded; kept from slice to slice
}

// dataAccess is the first access of a slice to the data of a client.
type dataAccess struct {
	client   *connection
	from, to int            // what the data was before, as value.Save wrote it into text; to is 0 if there was none, or it was not valid
	by       *store.Handler // nil until CheckData is called with the handler that has run
}

// data returns the table client.data. It makes the table the first time.
func (cs *Clients) data(c *connection) *lua.LTable {
	cs.noteAccess(c)
	held, ok := api.ToLua(c.Data()).(*lua.LTable)
	if !ok {
		held = cs.state.CreateTable(0, 4) // less than the first key would make room for
		c.SetData(value.Value{LValue: held})
	}
	return held
}

// setData is the assignment client.data = v.
func (cs *Clients) setData(L *lua.LState, c *connection, v lua.LValue) {
	cs.noteAccess(c)
	switch v := v.(type) {
	case *lua.LNilType:
		c.SetData(nil)
	case *lua.LTable:
		if _, err := value.Save(cs.accesses.text, v, MaxData); err != nil {
			L.RaiseError("client.data must be plain data: %s", api.Sentence(err))
		}
		c.SetData(value.Value{LValue: v})
	default:
		L.RaiseError("client.data must be a table or nil, not a %s", v.Type())
	}
}

// noteAccess notes that the present slice may change the data of a client.
func (cs *Clients) noteAccess(c *connection) {
	if c.dataAccessed {
		return
	}
	c.dataAccessed = true
	all := &cs.accesses
	a := dataAccess{client: c, from: len(all.text)}
	if held := api.ToLua(c.Data()); held != lua.LNil {
		// An error means that a script has kept the table and changed it since. CheckData finds that, too.
		if text, err := value.Save(all.text, held, MaxData); err == nil {
			all.text, a.to = text, len(text)
		}
	}
	all.list = append(all.list, a)
}

// CheckData is called when code of a handler has run. At the end of a slice, it checks the data of each client that the slice may have
// changed. If value.Save refuses that, the change is undone and logged.
func (cs *Clients) CheckData(h store.Handler, sliceEnds bool) {
	all := &cs.accesses
	for i := range all.list {
		if all.list[i].by == nil {
			all.list[i].by = &h
		}
	}
	if !sliceEnds || len(all.list) == 0 {
		return
	}
	for _, a := range all.list {
		a.client.dataAccessed = false
		held := api.ToLua(a.client.Data())
		if held == lua.LNil {
			continue
		}
		if _, err := value.Save(all.text, held, MaxData); err != nil {
			a.client.SetData(all.restore(a))
			cs.log.Error("script: a change of client.data was undone", "uuid", a.client.UUID(), "error", api.Sentence(err), "stored_by", a.by.String())
		}
	}
	clear(all.list)
	all.list, all.text = all.list[:0], all.text[:0]
	if cap(all.text) > MaxData {
		all.text = nil
	}
}

// restore returns the data of a client before the slice; nil if there was none.
func (all *dataAccesses) restore(a dataAccess) wire.Value {
	if a.to == 0 {
		return nil
	}
	v, err := value.Restore(all.text[a.from:a.to])
	if err != nil {
		return nil
	}
	return value.Value{LValue: v}
}
