package api

import "testing"

// A signature that cannot be written as LuaCATS annotations is an error.
func TestParseSignature(t *testing.T) {
	s, err := parseSignature("(a: string, b?: fun(x: any, y: any): any): table<string, any>, string?")
	if err != nil || len(s.params) != 2 || len(s.returns) != 2 {
		t.Errorf("parseSignature = %q, %v, want 2 parameters and 2 results", s, err)
	}
	for _, bad := range []string{"", "()x", "(", "(a)", "(a: )", "(): ", "a: string"} {
		if s, err := parseSignature(bad); err == nil {
			t.Errorf("parseSignature(%q) = %q, want an error", bad, s)
		}
	}
}
