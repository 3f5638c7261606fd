package wire

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParse(t *testing.T) {
	// Parse reads name and id from the top of exactly one JSON object, and nothing else.
	for text, want := range map[string]Message{
		`{"name":"Ring"}`:                                            {Name: "Ring"},
		" {\t\"name\" :\r\n\"Ring\" } \n":                            {Name: "Ring"},
		`{"id":"7","name":"Ring"}`:                                   {Name: "Ring", ID: "7"},
		`{"name":"Ring","id":7}`:                                     {Name: "Ring", ID: "7"},
		`{"name":"Ring","id":1.50e3}`:                                {Name: "Ring", ID: "1.50e3"},
		`{"name":"Ring","id":true}`:                                  {Name: "Ring", ID: "true"},
		`{"name":"Ring","id":null}`:                                  {Name: "Ring"},
		`{"name":"Ring","id":["a", 1]}`:                              {Name: "Ring", ID: `["a", 1]`},
		`{"name":"Ring","id":"a","id":"b"}`:                          {Name: "Ring", ID: "b"},
		`{"name":7,"name":"Ring"}`:                                   {Name: "Ring"},
		`{"prize":{"name":"Mug","id":3},"name":"Add"}`:               {Name: "Add"},
		`{"list":[{"name":"Mug"},"name"],"name":"Add"}`:              {Name: "Add"},
		`{"\u006eame":"R\u00e9\ud83d\ude00"}`:                        {Name: "Ré😀"},
		`{"name":"half \ud83d"}`:                                     {Name: "half \uFFFD"},
		`{"Name":"no","NAME":"no","name ":"no","name":"yes"}`:        {Name: "yes"},
		`{"name":"Ring","id":"` + strings.Repeat("é", 40) + `"}`:     {Name: "Ring", ID: strings.Repeat("é", 32)},
		`{"name":"Ring","id":"x` + strings.Repeat("é", 40) + `"}`:    {Name: "Ring", ID: "x" + strings.Repeat("é", 31)},
		`{"name":"Ring","id":[` + strings.Repeat(`"é",`, 20) + `0]}`: {Name: "Ring", ID: "[" + strings.Repeat(`"é",`, 12) + `"é`},
	} {
		got, err := Parse([]byte(text))
		if err != nil || got.Name != want.Name || got.ID != want.ID || string(got.Text) != text {
			t.Errorf("Parse(%s) = %q, %q, %q, %v, want %q, %q, the text, nil", text, got.Name, got.ID, got.Text, err, want.Name, want.ID)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	// Text that is not one JSON object is ErrNotObject; an object without a usable name is ErrNoName.
	for text, want := range map[string]error{
		``:                             ErrNotObject,
		` `:                            ErrNotObject,
		`null`:                         ErrNotObject,
		`"name"`:                       ErrNotObject,
		`7`:                            ErrNotObject,
		`[{"name":"Ring"}]`:            ErrNotObject,
		`{"name":"Ring"`:               ErrNotObject,
		`{"name":"Ring"}}`:             ErrNotObject,
		`{"name":"Ring"} {}`:           ErrNotObject,
		`{"name":"Ring"}x`:             ErrNotObject,
		`{"name":"Ring",}`:             ErrNotObject,
		`{"name":"Ring","a":[1,]}`:     ErrNotObject,
		`{"name":"Ring","a":{"b"}}`:    ErrNotObject,
		`{"name":"Ring","a":01}`:       ErrNotObject,
		`{"name":"Ring","a":NaN}`:      ErrNotObject,
		`{name:"Ring"}`:                ErrNotObject,
		`{'name':'Ring'}`:              ErrNotObject,
		`{7:"Ring","name":"Ring"}`:     ErrNotObject,
		"{\"name\":\"Ri\nng\"}":        ErrNotObject,
		"{\"name\":\"Ri\xffng\"}":      ErrNotObject,
		"\xef\xbb\xbf{\"name\":\"R\"}": ErrNotObject,
		`{"name":"Ring","a":` + strings.Repeat("[", 60_000): ErrNotObject,
		`{}`:                          ErrNoName,
		`{"name":""}`:                 ErrNoName,
		`{"name":null}`:               ErrNoName,
		`{"name":7}`:                  ErrNoName,
		`{"name":["Ring"]}`:           ErrNoName,
		`{"name":"Ring","name":{}}`:   ErrNoName,
		`{"message":{"name":"Ring"}}`: ErrNoName,
	} {
		if got, err := Parse([]byte(text)); !errors.Is(err, want) {
			t.Errorf("Parse(%.60q) = %q, %v, want %v", text, got.Name, err, want)
		}
	}
}

func TestParseLeavesNothingBehind(t *testing.T) {
	// A frame that breaks off deep inside does not disturb the next one.
	for range 3 {
		if _, err := Parse([]byte(`{"name":"A","a":[[[{"b":`)); err == nil {
			t.Fatal("Parse of a broken frame = nil, want an error")
		}
		if m, err := Parse([]byte(`{"name":"B"}`)); err != nil || m.Name != "B" || m.ID != "" {
			t.Fatalf("Parse after it = %+v, %v, want B", m, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"name":"Ring"}`, `{"id":7,"name":"Ring","a":[{"b":null}]}`, `{"name":"\ud83d","id":"é"}`, `[]`, `{"name":""}`,
		`{"name":"A","name":"B"}`, `{"name":"Ring"}{}`, `{"a":1e999,"name":"Ring"}`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		// The standard library accepts every text that Parse accepts, and finds the same name.
		m, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrNotObject) && !errors.Is(err, ErrNoName) {
				t.Fatalf("Parse(%q) = %v, want ErrNotObject or ErrNoName", text, err)
			}
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(text, &members); err != nil {
			t.Fatalf("json.Unmarshal(%q) = %v, want nil as from Parse", text, err)
		}
		var name string
		if err := json.Unmarshal(members["name"], &name); err != nil || name != m.Name {
			t.Fatalf("Parse(%q) = %q, want %q (%v)", text, m.Name, name, err)
		}
		if len(m.ID) > maxID || !utf8.ValidString(m.ID) || !utf8.ValidString(m.Name) {
			t.Fatalf("Parse(%q) = %q, %q, want valid UTF-8 and an id of at most %d bytes", text, m.Name, m.ID, maxID)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for name, text := range map[string]string{
		"80B":   `{"name":"AddPrize","prize":{"name":"Mug","sponsor":"Acme"},"id":"b1946ac9-2492"}`,
		"16KiB": `{"name":"AddPrizes","prizes":[` + strings.Repeat(`{"name":"Mug","sponsor":"Acme"},`, 512) + `0]}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse([]byte(text)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
