package api

import "testing"

// A signature that cannot be written as LuaCATS annotations is an error.
func TestParseSignature(t *testing.T) {
	params, returns, err := parseSignature("(a: string, b?: fun(x: any, y: any): any): table<string, any>, string?")
	if err != nil || len(params) != 2 || len(returns) != 2 {
		t.Errorf("parseSignature = %q, %q, %v, want 2 parameters and 2 results", params, returns, err)
	}
	for _, bad := range []string{"", "()x", "(", "(a)", "(a: )", "(): ", "a: string"} {
		if params, returns, err := parseSignature(bad); err == nil {
			t.Errorf("parseSignature(%q) = %q, %q, want an error", bad, params, returns)
		}
	}
}
