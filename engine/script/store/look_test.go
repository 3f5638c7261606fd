package store

import (
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// A value is shown as JSON by its path, or its keys if it is too large or no plain data.
func TestLook(t *testing.T) {
	s := New()
	shop, err := s.Table("shop", &lua.LTable{})
	if err != nil {
		t.Fatal(err)
	}
	prizes := &lua.LTable{}
	prizes.RawSetInt(1, lua.LString("mug"))
	prizes.RawSetInt(2, lua.LString(strings.Repeat("x", 100)))
	shop.RawSetString("prizes", prizes)
	shop.RawSetString("open", lua.LTrue)
	s.Save()
	if got := s.Sizes(); len(got) != 1 || got[0].Name != "shop" || got[0].Bytes < 100 {
		t.Errorf("Sizes() = %v, want the shop with more than 100 bytes", got)
	}
	for _, row := range []struct {
		path  string
		limit int
		json  string
		total int
	}{
		{"open", 100, "true", 0},
		{"prizes 1", 100, `"mug"`, 0},
		{"prizes 2", 50, "", 0},
		{"prizes", 50, "", 2},
		{"", 50, "", 2},
	} {
		v, found := s.Look("shop", strings.Fields(row.path), row.limit)
		if !found || string(v.JSON) != row.json || v.Total != row.total || len(v.Keys) != row.total || (row.json == "") != (v.Problem != "") {
			t.Errorf("Look(shop, %q, %d) = %+v, %t, want %s and %d keys", row.path, row.limit, v, found, row.json, row.total)
		}
	}
	for _, path := range []string{"nothing", "prizes 3", "open 1"} {
		if v, found := s.Look("shop", strings.Fields(path), 100); found {
			t.Errorf("Look(shop, %q) = %+v, want nothing", path, v)
		}
	}
	if _, found := s.Look("nothing", nil, 100); found {
		t.Error("Look finds a table that does not exist")
	}
}
