package wire

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
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
		if got := Redact(given); string(got) != want || string(given) != text {
			t.Errorf("Redact(%.60s) = %.80s, want %s and the text unchanged", text, got, want)
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
		clean := Redact(text)
		var v any
		if err := json.Unmarshal(clean, &v); err != nil && !strings.Contains(err.Error(), "cannot unmarshal number") {
			t.Fatalf("Redact(%q) = %q, which is not JSON: %v", text, clean, err)
		}
		if name := unredacted(v); name != "" {
			t.Fatalf("Redact(%q) = %q, want no value at %s", text, clean, name)
		}
		if again := Redact(clean); string(again) != string(clean) {
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
		Redact(text)
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
