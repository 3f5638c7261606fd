package compile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"perigee/engine/script/compile"
)

// repeat returns n parts, the i-th with i in it.
func repeat(n int, part string) string {
	var all strings.Builder
	for i := range n {
		fmt.Fprintf(&all, part, i)
	}
	return all.String()
}

func TestSourcesBeyondALimitAreRefused(t *testing.T) {
	const (
		levels    = "too many levels of blocks, brackets or operators"
		long      = "too long (more than 1000 levels)"
		registers = "a function has 200 registers"
	)
	for _, test := range []struct{ name, source, want string }{
		{"brackets", "return " + strings.Repeat("(", 10_000) + "1" + strings.Repeat(")", 10_000), levels},
		{"open brackets", strings.Repeat("(", 1<<20), levels},
		{"tables", "return " + strings.Repeat("{", 10_000) + strings.Repeat("}", 10_000), levels},
		{"indices", "return a" + strings.Repeat("[a", 10_000) + strings.Repeat("]", 10_000), levels},
		{"blocks", strings.Repeat("do ", 10_000) + strings.Repeat(" end", 10_000), levels},
		{"functions in each other", strings.Repeat("return function() ", 10_000) + strings.Repeat(" end", 10_000), levels},
		{"minus", "return " + strings.Repeat("- ", 1<<18) + "1", levels},
		{"not", "return " + strings.Repeat("not ", 1<<17) + "1", levels},
		{"concatenation", "return " + strings.Repeat("a..", 1<<17) + "a", levels},
		{"powers", "return " + strings.Repeat("2^", 1<<17) + "2", levels},
		{"sum", "return " + strings.Repeat("a+", 5000) + "a", long},
		{"fields", "return a" + strings.Repeat(".b", 5000), long},
		{"calls", "return a" + strings.Repeat("()", 5000), long},
		{"elseif", "if a then " + strings.Repeat("elseif a then b() ", 5000) + "end", long},
		{"locals", repeat(300, "local a%d = 1\n"), registers},
		{"locals of one statement", "local a" + repeat(300, ", a%d"), registers},
		{"parameters", "local function f(a" + repeat(300, ", a%d") + ") end", registers},
		{"arguments", "f(0" + repeat(300, ", %d") + ")", registers},
		{"targets", strings.Repeat("a,", 300) + "a = 1", registers},
		{"results", "return 0" + repeat(300, ", %d"), registers},
		{
			"outer variables",
			repeat(150, "local a%d\n") + "local function f()\n" + repeat(150, "local b%d\n") + "return function() return {" +
				repeat(150, "a%d,") + repeat(150, "b%d,") + "} end end", "function uses more than 255 outer local variables",
		},
		{"functions", strings.Repeat("f=function()end ", 10_000), "more than 10000 functions"},
		{"constants", "return {" + repeat(21_000, "%d,") + "}", "too many different constants"},
		{"names", strings.Repeat("function f() ", 100) + strings.Repeat("a=b ", 22_000) + strings.Repeat("end ", 100), "too many different constants or variables"},
		{"items before a call", "return {" + strings.Repeat("1,", 25_551) + "f()}", "more than 25550 items before a call"},
		{"loop", "for i = 1, 2 do " + strings.Repeat("a=b ", 33_000) + "end", "function too long"},
		{"source", strings.Repeat(" ", 1<<20+1), "the source is larger than 1048576 bytes"},
	} {
		_, err := compile.Compile("x.lua", []byte(test.source))
		var problem *compile.SyntaxError
		if !errors.As(err, &problem) || !strings.Contains(problem.Message, test.want) || problem.Line < 1 {
			t.Errorf("%s: Compile(%s) = %v, want an error with %q", test.name, short(test.source), err, test.want)
		}
	}
}

func TestSourcesWithinTheLimitsRun(t *testing.T) {
	locals := repeat(190, "local a%d = %[1]d\n")
	for _, test := range []struct{ name, program, want string }{
		{"brackets", "print(" + strings.Repeat("(", 150) + "1" + strings.Repeat(")", 150) + ")", "1"},
		{"tables", "local t = " + strings.Repeat("{", 150) + strings.Repeat("}", 150) + " print(#t)", "1"},
		{"concatenation", "local a = 'x' print(#(" + strings.Repeat("a..", 150) + "a))", "151"},
		{"sum", "local a = 1 print(" + strings.Repeat("a+", 900) + "a)", "901"},
		{"elseif", "local a = 500 if a == -1 then" + repeat(600, " elseif a == %d then print(%[1]d)") + " end", "500"},
		{"locals", locals + "print(a0, a189)", "0\t189"},
		{"outer variables", locals + "local function f() return a0, a189" + repeat(188, ", a%d") + " end print((select(2, f())))", "189"},
		{"constants", "local t = {" + repeat(1000, "k%d = %[1]d,") + "} print(t.k0, t.k999)", "0\t999"},
		{"long function", strings.Repeat("a=1 ", 33_000) + "print(a)", "1"},
		{"functions", repeat(300, "f%d = function() return %[1]d end ") + "print(f299())", "299"},
	} {
		if got := run(t, test.program); strings.TrimSpace(got) != test.want {
			t.Errorf("%s: program %s printed %q, want %q", test.name, short(test.program), got, test.want)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		"", "\xef\xbb\xbf#!x", "x = 1", "local a, b = b, a", "a, b.c, d[e] = f()", "for k in next, t do break end",
		"while true do if false then else break end end", "local f = function(...) return ... end", "x = {1, y = 2, ...}",
		"repeat local x; f(function() return x end) until x", "--[==[ ]]", "\"\\10", "goto x", "((((", "x = 0x", "f\n()", "break", "...",
		"if a then elseif b then else end", "return not not nil and #-a ^ b .. c", "function a.b:c() self() end",
	} {
		f.Add([]byte(seed))
	}
	for seed := range uint64(10) {
		f.Add([]byte(generate(seed)))
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		proto, err := compile.Compile("x.lua", source)
		var problem *compile.SyntaxError
		switch {
		case err == nil && proto == nil:
			t.Error("Compile returned neither prototype nor error")
		case err != nil && (!errors.As(err, &problem) || problem.Line < 1 || problem.Column < 0 || problem.Message == ""):
			t.Errorf("Compile(%q) = %#v, want a *SyntaxError with line and message", source, err)
		case err != nil && strings.Contains(problem.Message, "panicked"):
			t.Errorf("Compile(%q) = %v, want an error of ours", source, err)
		}
	})
}
