package schema

import "testing"

// A schema becomes the type of what it accepts; what TypeScript cannot say is unknown.
func TestTypeScript(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                    "unknown",
		`true`:                  "unknown",
		`false`:                 "never",
		`{"type":"integer"}`:    "number",
		`{"const":"a"}`:         `"a"`,
		`{"enum":["a",1,null]}`: `"a" | 1 | null`,
		`{"enum":[{"a":1},2]}`:  "unknown",
		`{"type":["string","null"],"minLength":1}`:                                         "string | null",
		`{"type":["number","integer"]}`:                                                    "number",
		`{"type":"array"}`:                                                                 "unknown[]",
		`{"type":"array","items":{"type":["string","null"]}}`:                              "(string | null)[]",
		`{"type":"object"}`:                                                                "Record<string, unknown>",
		`{"type":"object","additionalProperties":{"type":"string"}}`:                       "Record<string, string>",
		`{"properties":{"b":{"type":"string"},"a":{"type":"boolean"}},"required":["a"]}`:   "{ a: boolean; b?: string }",
		`{"required":["to"]}`:                                                              "{ to: unknown }",
		`{"properties":{"a-b":true},"additionalProperties":{"type":"string"}}`:             `{ "a-b"?: unknown; [name: string]: unknown }`,
		`{"properties":{"a":{"type":"string"}},"additionalProperties":false}`:              "{ a?: string }",
		`{"anyOf":[{"type":"string"},{"type":"number"}]}`:                                  "string | number",
		`{"anyOf":[{"type":"string"},{"$ref":"#/$defs/x"}]}`:                               "unknown",
		`{"properties":{"a":{"const":1}},"oneOf":[{"required":["b"]},{"required":["c"]}]}`: "{ a?: 1 } & ({ b: unknown } | { c: unknown })",
		`{"allOf":[{"required":["b"]},{"required":["c"]}]}`:                                "{ b: unknown } & { c: unknown }",
		`{"properties":{"id":{"type":"string"},"x":{"properties":{"id":{}}}}}`:             "{ x?: { id?: unknown } }",
	} {
		if got, err := TypeScript(text, "id"); err != nil || got != want {
			t.Errorf("TypeScript(%s) = %q, %v, want %q", text, got, err, want)
		}
	}
	if got, err := TypeScript(`{`); err == nil {
		t.Errorf("TypeScript({) = %q, want an error", got)
	}
}
