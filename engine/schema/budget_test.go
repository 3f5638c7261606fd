package schema

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// tree returns a document of nested objects of a kind.
func tree(kind string, depth int) string {
	return strings.Repeat(`{"kind":"`+kind+`","child":`, depth) + "null" + strings.Repeat("}", depth)
}

// forms returns a schema of trees of two kinds under a keyword.
func forms(keyword, more string) string {
	const form = `{"properties":{"kind":{"const":%q},"child":{"$ref":"#/$defs/node"}},"required":["kind"]}`
	a, b := fmt.Sprintf(form, "a"), fmt.Sprintf(form, "b")
	return `{"$ref":"#/$defs/node","$defs":{"node":{"type":["object","null"],"` + keyword + `":[` + a + "," + b + `]` + more + `}}}`
}

// chain returns a schema whose parts each refer twice to the next.
func chain(keyword string, length int) string {
	var b strings.Builder
	b.WriteString(`{"$ref":"#/$defs/n0","$defs":{`)
	for i := range length {
		fmt.Fprintf(&b, `"n%d":{%q:[{"$ref":"#/$defs/n%d"},{"$ref":"#/$defs/n%d"}]},`, i, keyword, i+1, i+1)
	}
	fmt.Fprintf(&b, `"n%d":{"type":"object"}}}`, length)
	return b.String()
}

// A check ends, whatever the schema and the document, with a fault if it would take too long.
func TestCheckEnds(t *testing.T) {
	node := strings.Replace(forms("anyOf", ""), `"$defs"`, `"unevaluatedProperties":false,"$defs"`, 1)
	for _, c := range []struct{ name, schema, text string }{
		{"anyOf", forms("anyOf", ""), tree("c", 30)},
		{"anyOf, the second", forms("anyOf", ""), tree("b", 30)},
		{"oneOf", forms("oneOf", ""), tree("b", 30)},
		{"with unevaluatedProperties", node, tree("b", 30)},
		{"allOf", chain("allOf", 40), `{}`},
		{"a oneOf of the same", chain("oneOf", 40), `[]`},
		{"not", `{"not":` + strings.ReplaceAll(chain("anyOf", 40), "#/", "#/not/") + `}`, `[]`},
		{"a name", `{"propertyNames":` + strings.ReplaceAll(chain("allOf", 40), "#/", "#/propertyNames/") + `}`, `{"x":1}`},
		{"an older draft", strings.Replace(chain("allOf", 40), `{`, `{"$schema":"http://json-schema.org/draft-07/schema#","allOf":[{"$ref":"#/$defs/n0"}],`, 1), `{}`},
		{"an anchor", strings.NewReplacer(`"$ref":"#/$defs/node"`, `"$dynamicRef":"#node"`, `"node":{`, `"node":{"$dynamicAnchor":"node",`).Replace(forms("anyOf", "")), tree("b", 30)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := compileTest(t, c.schema)
			for range 2 { // the budget is that of one check
				if err := s.Check([]byte(c.text)); err == nil || len(err.Error()) > longest {
					t.Errorf("Check(%s) = %v, want a fault", c.text, err)
				}
			}
		})
	}
}

// A schema of many parts accepts what satisfies it, up to the largest message, also in many goroutines at once.
func TestCheckLarge(t *testing.T) {
	const item = `{"type":"object","required":["id"],"unevaluatedProperties":false,"allOf":[{"$ref":"#/$defs/named"}],"properties":{"id":{"type":"integer"},"kind":{"oneOf":[{"const":"a"},{"const":"b"},{"type":"null"}]}}}`
	s := compileTest(t, `{"type":"array","items":{"anyOf":[{"type":"string"},`+item+`]},"$defs":{"named":{"properties":{"name":{"type":"string","pattern":"^x"}}}}}`)
	text := "[" + strings.Repeat(`{"id":7,"kind":"b","name":"x"},`, 1300) + `"x"]`
	var checking sync.WaitGroup
	for range 8 {
		checking.Go(func() {
			if err := s.Check([]byte(text)); err != nil {
				t.Errorf("Check(%d bytes) = %v, want nil", len(text), err)
			}
		})
	}
	checking.Wait()
}

func BenchmarkCheckAtWorst(b *testing.B) {
	s, text := compileTest(b, forms("anyOf", "")), []byte(tree("b", 30))
	for b.Loop() {
		if s.Check(text) == nil {
			b.Fatal("Check = nil, want a fault")
		}
	}
}
