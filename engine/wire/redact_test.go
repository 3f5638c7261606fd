package wire

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRedactor(t *testing.T) {
	// Secret members lose their values, whatever these are; the rest stays byte for byte.
	for text, want := range map[string]string{
		`{"name":"Authenticate","password":"x"}`:       `{"name":"Authenticate","password":"[redacted]"}`,
		` { "PassWord" : { "a" : [1] } , "b" : 1.50 }`: ` { "PassWord" : "[redacted]" , "b" : 1.50 }`,
		`{"a":[{"Token":1},{"KEY":null},{"Secret":[]},{"authorization":true}]}`: `{"a":[{"Token":"[redacted]"},` +
			`{"KEY":"[redacted]"},{"Secret":"[redacted]"},{"authorization":"[redacted]"}]}`,
		`{"p\u0061ssword":"x","p\u0061th":"x"}`: `{"p\u0061ssword":"[redacted]","p\u0061th":"x"}`,
		`{"password":"x","password":"y"}`:       `{"password":"[redacted]","password":"[redacted]"}`,
		`{"password":{"password":"x"},"z":"y"}`: `{"password":"[redacted]","z":"y"}`,
		`{"keys":1,"passwords":2,"monkey":3}`:   `{"keys":1,"passwords":2,"monkey":3}`,
		`{"a":"password","b":["key","x"]}`:      `{"a":"password","b":["key","x"]}`,
		`["password","x"]`:                      `["password","x"]`,
		`"password"`:                            `"password"`,
		`{"b":1,"a":"\ud83d","b":2}`:            `{"b":1,"a":"\ud83d","b":2}`,
		` 7 `:                                   ` 7 `,
		`{}`:                                    `{}`,
		``:                                      `null`,
		`{"password":"x"`:                       `null`,
		`{"password":"x"} x`:                    `null`,
		`{"password":"x"}{"password":"y"}`:      `null`,
		`password=x`:                            `null`,
		"{\"a\":\"\xff\"}":                      `null`,
		strings.Repeat(`[`, 60_000):             `null`,
	} {
		given := []byte(text)
		if got := (Redactor{}).JSON(given); string(got) != want || string(given) != text {
			t.Errorf("JSON(%.60s) = %.80s, want %s and the text unchanged", text, got, want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	for _, seed := range []string{
		`{"name":"Authenticate","password":"x"}`, `[{"TOKEN":{"a":1}},{"\u006bey":null}]`, `{"a":{"secret":[1,2]}} `,
		`{"password":"x","password":1}`, `"x"`, ``, `{"authorization":`, `{"password":"a\"b","key":{"key":[]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		// The result is valid JSON in which no secret member has another value than "[redacted]"; redacting it again
		// changes nothing.
		clean := Redactor{}.JSON(text)
		var v any
		if err := json.Unmarshal(clean, &v); err != nil && !strings.Contains(err.Error(), "cannot unmarshal number") {
			t.Fatalf("Redact(%q) = %q, which is not JSON: %v", text, clean, err)
		}
		if name := unredacted(v); name != "" {
			t.Fatalf("Redact(%q) = %q, want no value at %s", text, clean, name)
		}
		if again := (Redactor{}).JSON(clean); string(again) != string(clean) {
			t.Fatalf("Redact(%q) = %q, want no change", clean, again)
		}
	})
}

// unredacted returns the name of a secret member that still has its value, or "" if there is none.
func unredacted(v any) string {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			switch strings.ToLower(name) {
			case "password", "key", "token", "secret", "authorization":
				if inner != "[redacted]" {
					return name
				}
			}
			if name := unredacted(inner); name != "" {
				return name
			}
		}
	case []any:
		for _, inner := range v {
			if name := unredacted(inner); name != "" {
				return name
			}
		}
	}
	return ""
}

func BenchmarkRedact(b *testing.B) {
	text := []byte(`{"name":"Authenticate","password":"correct horse battery staple","id":"b1946ac9-2492"}`)
	b.ReportAllocs()
	for b.Loop() {
		Redactor{}.JSON(text)
	}
}

// Header fields with secrets lose their values, and nothing else does.
func TestRedactHeaders(t *testing.T) {
	const text = `{"headers":{"Cookie":"a=1","Authorization":"Bearer x","host":"h"},"cookies":{"a":"1"},"Set-Cookie":["a"],"key":"k","cook":1}`
	const want = `{"headers":{"Cookie":"[redacted]","Authorization":"[redacted]","host":"h"},"cookies":"[redacted]","Set-Cookie":"[redacted]","key":"k","cook":1}`
	if got := string(RedactHeaders([]byte(text))); got != want {
		t.Errorf("RedactHeaders(%s) = %s, want %s", text, got, want)
	}
}

// A Redactor hides the values of the names that it was made with, besides the usual ones.
func TestRedactorNames(t *testing.T) {
	r := NewRedactor([]string{"pin", "card.number"})
	const text = `{"PIN":1,"card.number":"4","cardXnumber":2,"key":3,"pins":5}`
	const want = `{"PIN":"[redacted]","card.number":"[redacted]","cardXnumber":2,"key":"[redacted]","pins":5}`
	if got := string(r.JSON([]byte(text))); got != want {
		t.Errorf("JSON(%s) = %s, want %s", text, got, want)
	}
}

// Text for people has no secrets inside of strings, ends at its limit, and is empty if it cannot be read.
func TestShow(t *testing.T) {
	r := NewRedactor([]string{"pin"})
	long := `{"a":"` + strings.Repeat("é", 40) + `","password":"x"}`
	for _, row := range []struct {
		text, want string
		limit      int
	}{
		{`{"a":1,"password":"x"}`, `{"a":1,"password":"[redacted]"}`, 100},
		{`{"body":"{\"pin\":7,\"b\":[1]}"}`, `{"body":"{\"pin\":\"[redacted]\",\"b\":[1]}"}`, 100},
		{`{"body":"[ 1 ]", "b": "{x"}`, `{"body":"[ 1 ]", "b": "{... (1 more bytes)"}`, 100},
		{`{"command":"O:8:\"App\\Jobs\":1:{s:8:\"password\";s:1:\"x\";}"}`, `{"command":"[PHP object]"}`, 100},
		{`{"Cookie":"a=1","url":"/a?token=x&b=2"}`, `{"Cookie":"[redacted]","url":"/a?token=[redacted]&b=2"}`, 100},
		{`{"a":1,"b":2,"password":"secret"}`, `{"a":1,"b":... (22 more bytes)`, 11},
		{long, `{"a":"` + strings.Repeat("é", 7) + `... (83 more bytes)`, 20},
		{`{"a":1,"password":"x`, `{"a":1,"password"... (3 more bytes)`, 100},
		{`password=x`, `... (10 more bytes)`, 100},
		{``, ``, 100},
		{` "x" `, ` "x"`, 100},
	} {
		if got := r.Show([]byte(row.text), row.limit, len(row.text)); got != row.want {
			t.Errorf("Show(%s, %d) = %s, want %s", row.text, row.limit, got, row.want)
		}
	}
	if got := r.Show([]byte(`{"a":1,"password":"x`), 100, 1000); got != `{"a":1,"password"... (983 more bytes)` {
		t.Errorf("Show of the beginning of a text = %s, want nothing of the secret", got)
	}
}

// Secrets that follow their names are hidden in any text.
func TestRedactText(t *testing.T) {
	for text, want := range map[string]string{
		`cannot sign in: password=hunter2, user=eve`: `cannot sign in: password=[redacted], user=eve`,
		`GET /x?a=1&TOKEN=abc&b=2`:                   `GET /x?a=1&TOKEN=[redacted]&b=2`,
		`answer {"secret": "abc", "b": 1}`:           `answer {"secret": [redacted]", "b": 1}`,
		`Authorization: Bearer abc.def-g`:            `Authorization: Bearer [redacted]`,
		`header: bearer abc`:                         `header: bearer [redacted]`,
		`a.lua:3: bad key: expected string, got nil`: `a.lua:3: bad key: expected string, got nil`,
		`attempt to index field 'key' (a nil value)`: `attempt to index field 'key' (a nil value)`,
		`server.key: the default "password"`:         `server.key: the default "password"`,
		`pin = 1234`:                                 `pin = [redacted]`,
	} {
		if got := NewRedactor([]string{"pin"}).Text(text); got != want {
			t.Errorf("Text(%s) = %s, want %s", text, got, want)
		}
		if again := NewRedactor([]string{"pin"}).Text(want); again != want {
			t.Errorf("Text(%s) = %s, want no change", want, again)
		}
	}
	if got := (Redactor{}).Text("key=x"); got != "key=[redacted]" {
		t.Errorf("Text of the zero Redactor = %s, want it redacted", got)
	}
}
