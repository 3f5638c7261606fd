package wire

import (
	"encoding/json"
	"errors"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
)

// failing are fields that write a little and then fail.
type failing struct{ err error }

func (f failing) AppendMembers(dst []byte) ([]byte, error) { return append(dst, `"half":`...), f.err }

func (f failing) AppendJSON(dst []byte) ([]byte, error) { return append(dst, `{"half":`...), f.err }

func TestAppend(t *testing.T) {
	// A message is its fields, then a new UUIDv4, the name and the time in seconds.
	at := time.UnixMicro(1795384421635873)
	for _, c := range []struct {
		name   string
		fields Fields
		want   string
	}{
		{"Ring", nil, `{"id":ID,"name":"Ring","timestamp":1795384421.635873}`},
		{"Ring", Members{}, `{"id":ID,"name":"Ring","timestamp":1795384421.635873}`},
		{"R\"\n\xff", nil, `{"id":ID,"name":"R\"\n` + "\uFFFD" + `","timestamp":1795384421.635873}`},
		{"Ring", Members{{"a", 1}, {"b", "x"}}, `{"a":1,"b":"x","id":ID,"name":"Ring","timestamp":1795384421.635873}`},
		{"Ring", Members{{"id", 1}, {"a", 1}, {"name", 2}, {"timestamp", 3}}, `{"a":1,"id":ID,"name":"Ring","timestamp":1795384421.635873}`},
		{"Ring", Members{{"id", 1}}, `{"id":ID,"name":"Ring","timestamp":1795384421.635873}`},
	} {
		got, err := Append([]byte("before "), c.name, c.fields, at)
		id := regexp.MustCompile(`"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"`)
		if shown := id.ReplaceAllString(string(got), "ID"); err != nil || shown != "before "+c.want {
			t.Errorf("Append(%q, %v) = %s, %v, want %s", c.name, c.fields, shown, err, c.want)
		}
	}
}

func TestAppendTimestamp(t *testing.T) {
	// Seconds have as many decimals as the microseconds need, and never an exponent.
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.UnixMicro(0), "0"},
		{time.UnixMicro(1), "0.000001"},
		{time.UnixMicro(-1_500_000), "-1.5"},
		{time.UnixMicro(1795384421000000), "1795384421"},
		{time.UnixMicro(1795384421500000), "1795384421.5"},
		{time.UnixMicro(1795384421000020), "1795384421.00002"},
		{time.Unix(1795384421, 999_999_999), "1795384421.999999"},
		{time.Time{}, "-62135596800"},
	} {
		if got := string(appendSeconds(nil, c.at)); got != c.want {
			t.Errorf("appendSeconds(%v) = %s, want %s", c.at, got, c.want)
		}
	}
}

func TestAppendFails(t *testing.T) {
	// When the fields fail, the caller's bytes are what they were and the error leads to the cause.
	cause := errors.New("cause")
	got, err := Append([]byte("before"), "Ring", failing{cause}, time.Now())
	if string(got) != "before" || !errors.Is(err, cause) || !strings.HasPrefix(err.Error(), "wire: append Ring: ") {
		t.Errorf("Append = %q, %v, want before, wire: append Ring: cause", got, err)
	}
}

func TestMembers(t *testing.T) {
	// Members write every plain type in its shortest form; as a value they keep id, name and timestamp.
	m := Members{
		{"name", "x"},
		{"null", nil},
		{"string", "é\u2028\"\\\x01"},
		{"bool", true},
		{"int", -1},
		{"int64", int64(math.MaxInt64)},
		{"uint64", uint64(math.MaxUint64)},
		{"whole", 1795384421.0},
		{"float", 0.1},
		{"large", 1e300},
		{"raw", Raw(`{"a":[]}`)},
		{"empty", Raw(nil)},
		{"inner", Members{{"id", "y"}}},
	}
	want := `{"name":"x","null":null,"string":"é` + "\u2028" + `\"\\\u0001","bool":true,"int":-1,"int64":9223372036854775807,` +
		`"uint64":18446744073709551615,"whole":1795384421,"float":0.1,"large":1e+300,"raw":{"a":[]},"empty":null,"inner":{"id":"y"}}`
	if got, err := m.AppendJSON(nil); err != nil || string(got) != want {
		t.Errorf("AppendJSON = %s, %v, want %s", got, err, want)
	}
	want = "," + strings.TrimSuffix(strings.TrimPrefix(want, `{"name":"x",`), "}")
	if got, err := m.AppendMembers([]byte(",")); err != nil || string(got) != want {
		t.Errorf("AppendMembers = %s, %v, want %s", got, err, want)
	}
}

func TestMembersRefuse(t *testing.T) {
	// The error names the member that has no JSON form.
	for _, v := range []any{math.NaN(), math.Inf(-1), []string{}, struct{}{}, int8(1), failing{errors.New("x")}} {
		if got, err := (Members{{"a", v}}).AppendJSON(nil); err == nil || !strings.HasPrefix(err.Error(), `wire: member "a": `) {
			t.Errorf("AppendJSON of %v = %s, %v, want an error that names a", v, got, err)
		}
	}
}

func TestNewID(t *testing.T) {
	// No id comes twice.
	seen := map[string]bool{}
	for range 10_000 {
		id := NewID()
		if seen[id] || len(id) != 36 {
			t.Fatalf("NewID() = %s, want 36 new bytes", id)
		}
		seen[id] = true
	}
}

func FuzzAppendString(f *testing.F) {
	f.Add("plain")
	f.Add("\x00\x1f\"\\\u2028\xff\xed\xa0\x80é😀")
	f.Fuzz(func(t *testing.T, s string) {
		// The text is JSON without raw control characters and reads back as the string, with U+FFFD for bad bytes.
		text := AppendString(nil, s)
		var back string
		if err := json.Unmarshal(text, &back); err != nil || back != strings.ToValidUTF8(back, "?") {
			t.Fatalf("AppendString(%q) = %s, which reads back as %q, %v", s, text, back, err)
		}
		if want := string([]rune(s)); back != want {
			t.Fatalf("AppendString(%q) = %s, want the text of %q", s, text, want)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	at := time.UnixMicro(1795384421635873)
	fields := Members{{"elapsed", 12.5}, {"start", 1795384421}, {"now", 1795384433.5}}
	buffer := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Append(buffer, "CurrentUptime", fields, at); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		NewID()
	}
}

// The name of a message of Append is found whatever its fields and its name are made of.
func TestNameOf(t *testing.T) {
	for _, name := range []string{"Ring", "", `a"b\`, `","name":"X","timestamp":1`, "ä\u2028"} {
		for _, fields := range []Fields{nil, Members{{Name: "text", Value: `","name":"Y","timestamp":2}`}}} {
			text, err := Append(nil, name, fields, time.Unix(1, 0))
			if err != nil {
				t.Fatal(err)
			}
			if got := NameOf(text); got != name {
				t.Errorf("NameOf(%s) = %q, want %q", text, got, name)
			}
		}
	}
	for _, text := range []string{"", "{}", `{"name":"A"}`, `{"id":"1","name":,"timestamp":1}`, `{,"timestamp":1}`} {
		if got := NameOf([]byte(text)); got != "" {
			t.Errorf("NameOf(%s) = %q, want none", text, got)
		}
	}
}
