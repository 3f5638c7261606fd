package script

import (
	"strings"
	"testing"

	"perigee/engine/script/value"
	"perigee/engine/wire"
)

// wire.Envelope reads the same envelope from a decoded frame as wire.Parse from its text. It reads every frame that has a name
// and no id.
func FuzzEnvelope(f *testing.F) {
	long := strings.Repeat("é", 40)
	for _, seed := range []string{
		`{"name":"Ring"}`, `{"id":"7","name":"Ring","a":[{"b":null}]}`, `{"name":"\ud83d","id":"é"}`, `{"name":"A","id":7}`,
		`{"name":"A","id":"x` + long + `"}`, `{"name":"A","id":null}`, `{"name":"A","name":"B","id":"a","id":"b"}`,
		`{"name":"A","name":null}`, `{"name":"A","id":"a","id":null}`, `{"name":"A","id":1,"id":null}`, `{"name":7,"id":"a"}`,
		`{"name":"A","id":[]}`, `{"name":"A","id":false}`, `{"name":""}`, `{}`, `[]`, `["name"]`, `"name"`, `null`, ``,
		`{"\u006eame":"A"}`, `{"a":1e999,"name":"A"}`, "\xff", `{"name":"A"}{}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := value.Decode(text, value.Limits{}, nil)
		if err != nil {
			return
		}
		want, errParse := wire.Parse(text)
		got, ok := wire.Envelope(text, value.Value{LValue: v})
		if ok && (errParse != nil || got.Name != want.Name || got.ID != want.ID || string(got.Text) != string(want.Text)) {
			t.Errorf("Envelope(%q) = %q, %q, want %q, %q, %v as from Parse", text, got.Name, got.ID, want.Name, want.ID, errParse)
		}
		if !ok && errParse == nil && want.ID == "" {
			t.Errorf("Envelope(%q) = false, want %q", text, want.Name)
		}
	})
}
