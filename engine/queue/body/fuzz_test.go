package body

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// Parse accepts any text without panicking. Its result is short and JSON, and a plain job with the same name and arguments has the
// same result.
func FuzzParse(f *testing.F) {
	for _, version := range versions() {
		f.Add([]byte(version.text))
	}
	for _, text := range []string{
		``, `{}`, `{"job":"AddPrize","data":{"prize":{"name":"Mug","sponsor":"Acme"}}}`, `{"job":"App\\Prizes@add","data":[1,"é"]}`,
		`{"job":"Illuminate\\Events\\CallQueuedHandler@call","data":{"class":"App\\Tell","method":"on","data":"a:1:{i:0;i:1;}"}}`,
		`{"body":"{\"item\":\"tea\"}","headers":{"type":"App\\Order","Content-Type":"application/json"}}`,
		`{"class":"app\\Order","item":"tea","class":"Last"}`, `{"class":"Shop::Order","args":[{"item":"tea"}],"ttr":3}`, `["Order",{"item":"tea"}]`,
		wrap(laughs(3)), wrap(laughs(30)), wrap(object("A", s("a"), `r:1;`)), wrap("eyJpdiI6Im"), wrap(`C:1:"A":18:{a:1:{s:1:"a";i:1;}}`),
		wrap(object("A", s("a"), `a:3:{i:0;d:0.1;i:1;E:11:"Suit:Hearts";i:2;C:1:"B":4:{N;}}`, s("chained"), `a:0:{}`)),
		wrap(object("A", s("\x00*\x00attributes"), `a:1:{s:1:"a";i:1;}`, s("\x00*\x00dispatcher"), `N;`)),
		wrap(object(`Illuminate\Broadcasting\BroadcastEvent`, s("event"), object("B", s("socket"), `N;`))),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := Parse(text)
		if err != nil {
			if !reflect.DeepEqual(b, Body{}) {
				t.Fatalf("Parse(%q) = %+v, %v, want nothing beside the error", text, b, err)
			}
			return
		}
		if b.Name == "" || len(b.Name) > maxName || len(b.Class) > maxName || len(b.Arguments) > 8*Limit {
			t.Fatalf("Parse(%q) = %d, %d and %d bytes of name, class and arguments", text, len(b.Name), len(b.Class), len(b.Arguments))
		}
		if b.Arguments == nil || b.Name == queueClosure {
			return
		}
		if b.Arguments[0] == '[' { // of a listener with several arguments, which no plain job can have
			return
		}
		if !jsontext.Value(b.Arguments).IsValid(jsontext.AllowDuplicateNames(true)) {
			t.Fatalf("Parse(%q).Arguments = %q, want JSON", text, b.Arguments)
		}
		name, err := jsontext.AppendQuote(nil, b.Name)
		if err != nil {
			t.Fatalf("Parse(%q).Name = %q, want UTF-8", text, b.Name)
		}
		plain := fmt.Sprintf(`{"job":%s,"data":%s}`, name, b.Arguments)
		if len(plain) > Limit {
			return
		}
		again, err := Parse([]byte(plain))
		if err != nil || again.Name != b.Name || string(again.Arguments) != string(b.Arguments) {
			t.Fatalf("Parse(%q) = %+v, %v, want name and arguments of %q", plain, again, err, text)
		}
	})
}
