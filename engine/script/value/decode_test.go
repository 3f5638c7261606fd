package value

import (
	"encoding/json"
	"errors"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
)

func decode(tb testing.TB, text string, null lua.LValue) lua.LValue {
	tb.Helper()
	v, err := Decode([]byte(text), Limits{}, null)
	if err != nil {
		tb.Fatalf("Decode(%s) = %v", text, err)
	}
	return v
}

func TestDecode(t *testing.T) {
	// JSON becomes the value that a script would have written: v is the value, and the check is Lua.
	for text, check := range map[string]string{
		`null`:                          `v == null`,
		` true `:                        `v == true`,
		`false`:                         `v == false`,
		`-0`:                            `v == 0`,
		`9007199254740992`:              `v == 2^53`,
		`-9007199254740992`:             `v == -2^53`,
		`1.50e1`:                        `v == 15`,
		`1E300`:                         `v == 1e300`,
		`1e-999`:                        `v == 0`,
		`36893488147419103232.0`:        `v == 2^65`,
		`"a\u00e9\ud83d\ude00\n\u0000"`: `v == "aé😀\n\0"`,
		`"\ud83d"`:                      `v == "\239\191\189"`,
		`{}`:                            `next(v) == nil and getmetatable(v) == nil`,
		`[]`:                            `next(v) == nil and getmetatable(v) == "json.array"`,
		`[1,[2],{"a":3}]`:               `#v == 3 and v[2][1] == 2 and v[3].a == 3 and getmetatable(v) == nil`,
		`[null,1,null]`:                 `#v == 3 and v[1] == null and v[2] == 1 and v[3] == null`,
		`{"a":null,"b":1}`:              `v.a == nil and v.b == 1 and next(v) == "b"`,
		`{"a":{"b":[{"c":null}]}}`:      `next(v.a.b[1]) == nil`,
		`{"a":1,"a":2}`:                 `v.a == 2`,
		`{"a":1,"a":null}`:              `v.a == nil and next(v) == nil`,
		`{"a":null,"a":1}`:              `v.a == 1`,
		`{"60000000":1,"1":2,"-1":3}`:   `v["60000000"] == 1 and v["1"] == 2 and v[1] == nil and #v == 0`,
		`{"":1}`:                        `v[""] == 1`,
		`{"\u0061":1}`:                  `v.a == 1`,
	} {
		l := newLua(t)
		l.SetGlobal("v", decode(t, text, nil))
		if err := l.DoString("return " + check); err != nil || l.Get(-1) != lua.LTrue {
			t.Errorf("Decode(%s): %s is %v, %v, want true", text, check, l.Get(-1), err)
		}
	}
}

func TestDecodeNull(t *testing.T) {
	// On request null members become the value that the caller names; in lists and alone null is always Null.
	for text, want := range map[string]string{
		`{"a":null,"b":[null]}`: `{"a":"none","b":[null]}`,
		`{"a":1,"a":null}`:      `{"a":"none"}`,
		`[null]`:                `[null]`,
		`null`:                  `null`,
	} {
		if got, err := Append(nil, decode(t, text, lua.LString("none")), Limits{}); err != nil || string(got) != want {
			t.Errorf("Decode(%s) with none for null = %s, %v, want %s", text, got, err, want)
		}
	}
}

func TestDecodeKeepsOrder(t *testing.T) {
	// Members keep the order of the text, however many there are.
	var b strings.Builder
	b.WriteString(`{"z":0`)
	for i := range 500 {
		b.WriteString(`,"` + strings.Repeat("k", i+1) + `":[]`)
	}
	b.WriteString(`,"a":{}}`)
	for range 3 {
		if got, err := Append(nil, decode(t, b.String(), nil), Limits{}); err != nil || string(got) != b.String() {
			t.Fatalf("Append(Decode) = %.80s, %v, want the text", got, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	// The error says where the text is wrong, and whether it is not JSON or exceeds a limit.
	limits := Limits{Depth: 3, Keys: 4}
	for _, c := range []struct {
		text string
		want string
		at   string
	}{
		{``, "no value", ""},
		{` `, "no value", ""},
		{`{`, "unexpected EOF", ""},
		{`[1,]`, "invalid character", ""},
		{`{"a":}`, "missing value", "a"},
		{`{"a":[1,{"b":tru}]}`, "invalid character", "a[1].b"},
		{`{a:1}`, "invalid character", ""},
		{`01`, "not valid JSON", ""},
		{`NaN`, "invalid character", ""},
		{`"a` + "\n" + `"`, "invalid character", ""},
		{`"a`, "unexpected EOF", ""},
		{`1 2`, "more text after the value", ""},
		{`{}x`, "invalid character", ""},
		{"[\"\xff\"]", "invalid UTF-8", ""},
		{"\xef\xbb\xbf1", "invalid character", ""},
		{`[[[1]]]`, "", ""},
		{`[0,[[[1]]]]`, "nested deeper than 3 levels", "[1][0][0]"},
		{`{"a":{"b":{"c":{}}}}`, "nested deeper than 3 levels", "a.b.c"},
		{`{"a":1,"b":[{"c":1},0,0]}`, "", ""},
		{`[{},{},[],{}]`, "", ""},
		{`[{},{},[],{},{}]`, "more than 4 keys, objects and lists", "[4]"},
		{`{"a":1,"b":[{"c":1},{"d":1,"e":1}]}`, "more than 4 keys", "b[1]"},
		{`{"a":1,"a":1,"a":1,"a":1,"a":1}`, "more than 4 keys", ""},
		{`{"a":[9007199254740993]}`, "an integer beyond 2^53", "a[0]"},
		{`-9007199254740993`, "an integer beyond 2^53", ""},
		{`123456789012345678901234567890`, "an integer beyond 2^53", ""},
		{`[1,1e999]`, "a number out of range", "[1]"},
		{`[9007199254740994]`, "an integer beyond 2^53", "[0]"},
		{`{"price":12345678901234567890.5}`, "a number beyond 2^52 with more digits than Lua keeps", "price"},
		{`[4503599627370497.5]`, "a number beyond 2^52", "[0]"},
		{`[-45035996273704980025e-4,4503599627370495.5,4503599627370497.00]`, "a number beyond 2^52", "[0]"},
		{`[4503599627370495.5,-4503599627370495.25,4503599627370497.00,9.007199254740991e15]`, "", ""},
		{`[9007199254740993.0]`, "more digits than Lua keeps", "[0]"},
		{`[-9007199254740993e0]`, "more digits than Lua keeps", "[0]"},
		{`[1e300,-1.5e16,9007199254740992.0,0.12345678901234567890,1.7976931348623157e308]`, "", ""},
	} {
		_, err := Decode([]byte(c.text), limits, nil)
		if c.want == "" {
			if err != nil {
				t.Errorf("Decode(%s) = %v, want nil", c.text, err)
			}
			continue
		}
		place, ok := errors.AsType[*PathError](err)
		if !ok || !strings.Contains(err.Error(), c.want) || place.Path() != c.at || !strings.HasPrefix(err.Error(), "value: decode") {
			t.Errorf("Decode(%s) = %v, want %s at %q", c.text, err, c.want, c.at)
		}
		_, limit := errors.AsType[*LimitError](err)
		if wantLimit := place != nil && !errors.Is(err, ErrSyntax); limit != wantLimit {
			t.Errorf("Decode(%s) = %v, want either ErrSyntax or a LimitError", c.text, err)
		}
	}
	if _, err := Decode([]byte(strings.Repeat("[", 1001)+strings.Repeat("]", 1001)), Limits{}, nil); err == nil {
		t.Error("Decode of 1001 levels without a limit = nil, want an error")
	}
	decode(t, strings.Repeat("[", 1000)+strings.Repeat("]", 1000), nil)
}

func TestDecodeMakesSmallTables(t *testing.T) {
	// A table for one member has no room for 32: that would be 2 KB more each.
	const n = 200
	text := []byte(`[` + strings.Repeat(`{"a":true},`, n-1) + `{"a":true}]`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := Decode(text, Limits{}, nil); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / n; each > 1500 {
		t.Errorf("Decode allocates %d bytes for each small object, want at most 1,500", each)
	}
}

func TestDecodeConcurrently(t *testing.T) {
	// Goroutines decode at the same time; nothing of one text appears in another.
	var readers sync.WaitGroup
	for _, text := range []string{`{"a":[1,{"b":"x"}],"c":[]}`, `[{"d":null},[[]]]`, `{"e":`, `{"f":{"f":{"f":1}}}`} {
		readers.Go(func() {
			want, wantErr := Decode([]byte(text), Limits{}, Null())
			for range 200 {
				got, err := Decode([]byte(text), Limits{}, Null())
				if (err == nil) != (wantErr == nil) || err == nil && !equal(got, want) {
					t.Errorf("Decode(%s) = %v, %v, want the same each time", text, got, err)
					return
				}
			}
		})
	}
	readers.Wait()
}

// equal compares plain data, with its marks.
func equal(a, b lua.LValue) bool {
	x, ok := a.(*lua.LTable)
	if !ok {
		return a == b
	}
	y, ok := b.(*lua.LTable)
	if !ok || isMarked(x, marks.array) != isMarked(y, marks.array) || isMarked(x, marks.object) != isMarked(y, marks.object) {
		return false
	}
	countX, countY, same := 0, 0, true
	x.ForEach(func(key, v lua.LValue) {
		countX++
		same = same && equal(v, y.RawGet(key))
	})
	y.ForEach(func(lua.LValue, lua.LValue) { countY++ })
	return same && countX == countY
}

func FuzzRoundTrip(f *testing.F) {
	for _, seed := range []string{
		`{"name":"AddPrize","prize":{"name":"Mug"},"n":[1,2.5,-3e-7,1e300,9007199254740992,null,true]}`,
		`[[],{},[[]],{"a":[]},{"60000000":1,"1":2}]`, `{"a":1,"b":null,"a":null,"":{}}`, `"\ud83d\u0000\u2028é"`, `null`, `-0.0`,
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, text string, keepNull bool) {
		// Every decoded value can be encoded, and decodes and encodes to the same again.
		var null lua.LValue
		if keepNull {
			null = Null()
		}
		limits := Limits{Depth: 32, Keys: 4096}
		first, err := Decode([]byte(text), limits, null)
		if err != nil {
			return
		}
		written, err := Append(nil, first, limits)
		if err != nil || !json.Valid(written) || !utf8.Valid(written) {
			t.Fatalf("Append(Decode(%q)) = %q, %v, want JSON", text, written, err)
		}
		second, err := Decode(written, limits, null)
		if err != nil || !equal(first, second) {
			t.Fatalf("Decode(%q), once from %q, = %v, want the same value", written, text, err)
		}
		if again, err := Append(nil, second, limits); err != nil || string(again) != string(written) {
			t.Fatalf("Append = %q, %v, want %q", again, err, written)
		}
		if copied, err := Copy(first); err != nil || !equal(first, copied) {
			t.Fatalf("Copy of %q = %v, %v, want the same value", text, copied, err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"a":[{"b":{}}]}`, `[[[[[[]]]]]]`, `{"a":1,"b":2,"c":3}`, `[1e999]`, `9007199254740993`, `{"a":`, `{}{}`, "\xff\xfe", `"\ud800"`,
	} {
		f.Add([]byte(seed), 3, 2)
	}
	f.Fuzz(func(t *testing.T, text []byte, depth, keys int) {
		// Decode accepts exactly the JSON within the limits, and says which of both was violated.
		depth, keys = 1+int(uint(depth)%40), 1+int(uint(keys)%100)
		v, err := Decode(text, Limits{Depth: depth, Keys: keys}, nil)
		valid := json.Valid(text) && utf8.Valid(text)
		_, limit := errors.AsType[*LimitError](err)
		switch {
		case err == nil && !valid:
			t.Fatalf("Decode(%q) = %v, nil, want an error", text, v)
		case err != nil && valid && !limit:
			t.Fatalf("Decode(%q) = %v, want nil or a LimitError", text, err)
		case err != nil && !valid && !limit && !errors.Is(err, ErrSyntax):
			t.Fatalf("Decode(%q) = %v, want ErrSyntax or a LimitError", text, err)
		case err == nil:
			if d, k := measure(v); d > depth || k > keys {
				t.Fatalf("Decode(%q) has %d levels and %d keys, want at most %d and %d", text, d, k, depth, keys)
			}
		}
	})
}

// measure returns the levels and the members of decoded data.
func measure(v lua.LValue) (depth, keys int) {
	table, ok := v.(*lua.LTable)
	if !ok {
		if n, ok := v.(lua.LNumber); ok && (math.IsNaN(float64(n)) || math.IsInf(float64(n), 0)) {
			return math.MaxInt, math.MaxInt
		}
		return 0, 0
	}
	table.ForEach(func(key, inner lua.LValue) {
		d, k := measure(inner)
		depth, keys = max(depth, d), keys+k
		if key.Type() == lua.LTString {
			keys++
		}
	})
	return depth + 1, keys
}

// Numbers that Lua would change become their text if the limits say so.
func TestDecodeBigText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]lua.LValue{
		`9007199254740992`:       lua.LNumber(1 << 53),
		`9007199254740993`:       lua.LString("9007199254740993"),
		`9007199254740994`:       lua.LString("9007199254740994"),
		`-342161316540874753`:    lua.LString("-342161316540874753"),
		`12345678901234567890.5`: lua.LString("12345678901234567890.5"),
		`1e999`:                  lua.LString("1e999"),
		`1e20`:                   lua.LNumber(1e20),
		`0.1`:                    lua.LNumber(0.1),
	} {
		if got, err := Decode([]byte(text), Limits{BigText: true}, nil); got != want || err != nil {
			t.Errorf("Decode(%s) = %v (%T), %v, want %v (%T)", text, got, got, err, want, want)
		}
	}
}
