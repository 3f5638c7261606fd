package compile_test

import "testing"

func TestProgramsThatGopherLuaMistranslatesRunAsLuaSays(t *testing.T) {
	for _, test := range []struct{ name, program, want string }{
		{"swap", `local a, b = 1, 2; a, b = b, a; print(a, b)`, "2\t1\n"},
		{"fib", `local a, b = 0, 1; for i = 1, 10 do a, b = b, a + b end; print(a, b)`, "55\t89\n"},
		{"trim", `local function trim(s) s = (s:gsub("^%s+", "")) return s end print(trim("  x"))`, "x\n"},
		{"nextcall", `for k, v in next, (function() return {5} end)() do print(k, v) end`, "1\t5\n"},
		{"stale", `do local a, b, c, d = 1, 2, 3, 4 end for k in next, {5, 6} do print(k) end`, "1\n2\n"},
		{"firstcall", `local function f() return pairs end for k, v in f()({7}) do print(k, v) end`, "1\t7\n"},
		{"andcall", `local function no() return false end local v = 5; v = no() and 7; print(v)`, "false\n"},
		{"table group", `local t = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50, x = tostring(3)} print(t[1], t[50], t.x)`, "1\t50\t3\n"},
		{"table group call", `local function f() return 51, 52 end local t = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50, f()} print(t[1], t[50], t[51], t[52], #t)`, "1\t50\t51\t52\t52\n"},
		{"keyed call", `local t = {1, 2, x = tostring(3)} print(#t, t.x)`, "2\t3\n"},
		{"octal", `print(0010, 1e999, 0xffffffffffffffff)`, "10\tinf\t1.844674407371e+19\n"},
		{"vararg", `local function f(...) local a, b, c = 1, 2, 3; a = (...); print(a, b, c) end f(9, 8)`, "9\t2\t3\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := run(t, test.program); got != test.want {
				t.Errorf("program %q printed %q, want %q", test.program, got, test.want)
			}
		})
	}
}
