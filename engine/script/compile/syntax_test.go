package compile_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"perigee/engine/script/compile"
)

func TestSyntaxErrorsNameThePlaceAndWhatIsWrong(t *testing.T) {
	for _, test := range []struct{ source, want string }{
		// Where the parser stops.
		{"x = = 2", "1:5: unexpected symbol near '='"},
		{"x =", "1:4: unexpected symbol near '<eof>'"},
		{"\nx", "2:2: unexpected symbol near '<eof>'"},
		{"local 5 = 3", "1:7: '<name>' expected near '5'"},
		{"local a, = 3", "1:10: '<name>' expected near '='"},
		{"f(a b)", "1:5: ')' expected near 'b'"},
		{"x = {1, 2\ny = 3", "2:1: '}' expected (to close '{' at line 1) near 'y'"},
		{"if x the y() end", "1:6: 'then' expected near 'the'"},
		{"while x y() end", "1:9: 'do' expected near 'y'"},
		{"for i do end", "1:7: '=' or 'in' expected near 'do'"},
		{"while x do break y() end", "1:18: 'end' expected near 'y'"},
		{"x = 'a' y = 'b' 'c'", "1:17: unexpected symbol near ''c''"},
		{"(f())", "1: syntax error (a call in brackets is not a statement)"},
		{"a.b:c = 1", "1:7: unexpected symbol near '='"},
		// Blocks that are open at the end, or closed by something else.
		{"function f()\n  if x then\n  y()\nend\n", "5:1: 'end' expected (to close 'function' at line 1) near '<eof>'"},
		{"while x do\nuntil y", "2:1: 'end' expected (to close 'while' at line 1) near 'until'"},
		{"repeat\nend", "2:1: 'until' expected (to close 'repeat' at line 1) near 'end'"},
		{"f(1,\n2", "2:2: ')' expected (to close '(' at line 1) near '<eof>'"},
		{"x = (1 + end", "1:10: unexpected symbol near 'end'"},
		{"if x then end end", "1:15: '<eof>' expected near 'end'"},
		{"f())", "1:4: unexpected symbol near ')'"},
		{"x = {1,,2}", "1:8: unexpected symbol near ','"},
	} {
		refuse(t, test.source, test.want)
	}
}

func TestTextIsRefusedBeforeItIsParsed(t *testing.T) {
	for _, test := range []struct{ source, want string }{
		// Tokens.
		{"x = 3x", "1:5: malformed number near '3x'"},
		{"x = 1\ny = 9007199254740993", `2: the number 9007199254740993 would be rounded to 9007199254740992: write it as a string, "9007199254740993"`},
		{"x = 12345678901234567890.5", `1: the number 12345678901234567890.5 would be rounded to 12345678901234567168: write it as a string, "12345678901234567890.5"`},
		{"x = 4503599627370497.5", `1: the number 4503599627370497.5 would be rounded to 4503599627370498: write it as a string, "4503599627370497.5"`},
		{"x = 0xffffffffffffffff", `1: the number 0xffffffffffffffff would be rounded to 18446744073709551616: write it as a string, "0xffffffffffffffff"`},
		{"x = 0x", "1:5: malformed number near '0x'"},
		{"x = 1..2", "1:5: malformed number near '1..2'"},
		{"x = 1e", "1:5: malformed number near '1e'"},
		{"x = 'abc\n'", "1:5: unfinished string near ''abc'"},
		{"x = \"abc", "1:5: unfinished string near '\"abc'"},
		{`x = "\300"`, `1:5: escape sequence too large near '"\300'`},
		{"x = [[a\nb", "1:5: unfinished long string near '[[a...'"},
		{"x = [==a", "1:5: invalid long string delimiter near '[='"},
		{"x = 1 --[[ a\nb", "1:7: unfinished long comment near '--[['"},
		{"x = “a”", "1:5: unexpected symbol near '“'"},
		{"x = a ~ b", "1:7: unexpected symbol near '~'"},
		{"x = a != b", "1:7: unexpected symbol near '!'"},
		{"x = 1\x00", "1:6: unexpected symbol near '\ufffd'"},
		// Errors that the parser would accept.
		{"goto done", "1:1: goto is not supported (nor is it Lua 5.1): leave loops with break or return near 'goto'"},
		{"::done::", "1:1: goto is not supported (nor is it Lua 5.1): leave loops with break or return near '::'"},
		{"if x then break end", "1:11: no loop to break near 'break'"},
		{"while x do f(function() break end) end", "1:25: no loop to break near 'break'"},
		{"function f() return ... end", "1:21: cannot use '...' outside a vararg function near '...'"},
		{"local function f(...) return function() return ... end end", "1:48: cannot use '...' outside a vararg function near '...'"},
		{"x = f()\n(g or h)()", "2:1: ambiguous syntax (function call x new statement) near '('"},
		{"x = t[1]\n(g or h)()", "2:1: ambiguous syntax (function call x new statement) near '('"},
		{"f'a'\n(g or h)()", "2:1: ambiguous syntax (function call x new statement) near '('"},
		{"f{}\n(g or h)()", "2:1: ambiguous syntax (function call x new statement) near '('"},
		// The first of two.
		{"x = = 2\ny = 3x", "1:5: unexpected symbol near '='"},
		{"x = 3x\ny = = 2", "1:5: malformed number near '3x'"},
		{"\ufeff#!lua\nx = = 2", "2:5: unexpected symbol near '='"},
	} {
		refuse(t, test.source, test.want)
	}
}

// refuse checks the error of a source, without the name of the file.
func refuse(t *testing.T, source, want string) {
	t.Helper()
	_, err := compile.Compile("scripts/x.lua", []byte(source))
	if want = "scripts/x.lua:" + want; err == nil || err.Error() != want {
		t.Errorf("Compile(%q) = %v, want %s", source, err, want)
	}
}

func TestErrorIsASyntaxErrorWithItsParts(t *testing.T) {
	_, err := compile.Compile("a.lua", []byte("\n  ]"))
	var got *compile.SyntaxError
	if !errors.As(err, &got) {
		t.Fatalf("Compile of a stray bracket = %v, want a *SyntaxError", err)
	}
	if want := (compile.SyntaxError{File: "a.lua", Line: 2, Column: 3, Message: "unexpected symbol near ']'"}); *got != want {
		t.Errorf("Compile of a stray bracket = %+v, want %+v", *got, want)
	}
}

func TestLongTokensAreCutInMessages(t *testing.T) {
	_, err := compile.Compile("a.lua", []byte("x = '"+strings.Repeat("é", 100)))
	if want := "a.lua:1:5: unfinished string near ''" + strings.Repeat("é", 19) + "...'"; err == nil || err.Error() != want {
		t.Errorf("Compile of a long unfinished string = %v, want %s", err, want)
	}
}

func TestSeveralGoroutinesMayCompile(t *testing.T) {
	var compiling sync.WaitGroup
	for seed := range uint64(4) {
		compiling.Go(func() {
			if _, err := compile.Compile("a.lua", []byte(generate(seed))); err != nil {
				t.Errorf("Compile of the program of seed %d = %v, want no error", seed, err)
			}
		})
	}
	compiling.Wait()
}

// Rewritten statements keep the lines of the original ones.
func TestRuntimeErrorsNameTheirLine(t *testing.T) {
	for _, test := range []struct {
		program string
		line    string
	}{
		{"local a, b = 1\na, b = 2,\n  nil + 1", "3:"},
		{"local a, b = {}\na.x,\nb.y = 2, 3", "3:"},
		{"local a, b\na, b[1] = 2, 3", "2:"},
		{"local a = 1\na = a and\n  nothing()", "3:"},
		{"for k in\n next, nothing() do\nend", "2:"},
		{"for k in\n nothing, 1 do\nend", "1:"},
		{"local t = {" + strings.Repeat("1,", 50) + "\nx = 1,\nnothing()}", "3:"},
		{"while true do\n  while true do break end\n  nothing()\nend", "3:"},
		{"local f = function()\n  nothing()\nend\nf()", "2:"},
	} {
		for _, program := range []string{test.program, strings.ReplaceAll(test.program, "\n", "\r\n")} {
			proto, err := compile.Compile("x.lua", []byte(program))
			if err != nil {
				t.Fatalf("Compile(%s) = %v, want no error", short(program), err)
			}
			_, err = execute(proto)
			if err == nil || !strings.HasPrefix(err.Error(), "x.lua:"+test.line) {
				t.Errorf("running %s: %v, want an error at line %s", short(program), err, test.line)
			}
		}
	}
}
