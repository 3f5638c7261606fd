package module

import (
	"testing"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/value"
)

// Integers that Lua would round are refused with their place, or read as text, by json.decode and response:json.
func TestBigIntegers(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		bigText bool
		want    string
	}{
		{false, "nil id: an integer beyond 2^53; send it as a string, or see lua.big_integers"},
		{true, "9007199254740993 string"},
	} {
		L := lua.NewState()
		t.Cleanup(L.Close)
		h := NewHTTP(HTTPOptions{JSON: value.Limits{BigText: row.bigText}})
		L.SetGlobal("json", JSON(row.bigText).Table(L))
		L.SetGlobal("body", L.NewFunction(h.methods()[0].Run))
		L.SetContext(t.Context())
		for _, read := range []string{`json.decode('{"id":9007199254740993}')`, `body({ body = '{"id":9007199254740993}' })`} {
			source := `local v, problem = ` + read + ` return v and v.id .. " " .. type(v.id) or "nil " .. problem`
			if err := L.DoString(source); err != nil {
				t.Fatal(err)
			}
			if got := L.Get(-1).String(); got != row.want {
				t.Errorf("%s with BigText = %t: got %s, want %s", read, row.bigText, got, row.want)
			}
		}
	}
}
