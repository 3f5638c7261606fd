package stdlib

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"perigee/engine/testkit"
)

// prelude defines R, which prints the results of a function, or its error, on one line.
const prelude = `
local function show(v)
  if type(v) == "number" then
    if v ~= v then return "nan" elseif v == 0 then return "0" end
    return string.format("%.10g", v)
  elseif type(v) == "string" then
    return '"' .. v:gsub('[%c\\"\128-\255]', function(c) return string.format("\\%03d", c:byte()) end) .. '"'
  elseif v == nil or type(v) == "boolean" then
    return tostring(v)
  end
  return type(v)
end
local function line(n, ok, ...)
  local out = {}
  for i = 1, select("#", ...) do out[i] = show((select(i, ...))) end
  if not ok and type((...)) == "string" then out[1] = (...):gsub("^[^:]*:%d+: ", "") end
  print(n, ok, table.concat(out, " "))
end
local n = 0
local function R(f) n = n + 1 line(n, pcall(f)) end
`

func TestAgainstLua51(t *testing.T) {
	// The library returns the same results as the reference implementation, error texts included.
	t.Parallel()
	program := testkit.Program(t, "lua5.1")
	expressions := append(knownExpressions(), randomExpressions(rand.New(rand.NewPCG(1, 2)))...)
	var script strings.Builder
	script.WriteString(prelude)
	for _, e := range expressions {
		fmt.Fprintf(&script, "R(function() return %s end)\n", e)
	}
	path := filepath.Join(t.TempDir(), "expressions.lua")
	if err := os.WriteFile(path, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := exec.CommandContext(t.Context(), program, path).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%.2000s", program, path, err, output)
	}
	want := strings.Split(strings.TrimSuffix(string(output), "\n"), "\n")

	var got []string
	L := newVM(t, Options{Print: func(text string) { got = append(got, text) }})
	if err := L.DoFile(path); err != nil {
		t.Fatalf("running the expressions: %v", err)
	}
	if len(got) != len(expressions) || len(want) != len(expressions) {
		t.Fatalf("%d expressions, %d answers of ours, %d of lua5.1", len(expressions), len(got), len(want))
	}
	t.Logf("%d expressions", len(expressions))
	bad := 0
	for i, e := range expressions {
		if got[i] != want[i] && bad < 40 {
			bad++
			t.Errorf("%s\n got %s\nwant %s", e, got[i], want[i])
		}
	}
}

// combine fills the @ of a format with every combination of arguments, one column for each @.
func combine(format string, columns ...[]string) []string {
	rows := []string{format}
	for _, column := range columns {
		var next []string
		for _, row := range rows {
			for _, argument := range column {
				next = append(next, strings.Replace(strings.Replace(row, "@", argument, 1), ", )", ")", 1))
			}
		}
		rows = next
	}
	return rows
}

// knownExpressions returns every combination of some arguments of each function.
func knownExpressions() []string {
	ints := strings.Fields("-7 -3 -1 0 1 2 3 9")
	return slices.Concat(stringExpressions(ints), numberExpressions(), formatExpressions(), tableExpressions(ints),
		otherExpressions())
}

func stringExpressions(ints []string) (list []string) {
	add := func(format string, columns ...[]string) { list = append(list, combine(format, columns...)...) }
	texts := []string{`""`, `"a"`, `"hello"`, `"a\0b"`}
	add("string.sub(@, @, @)", texts, ints, ints)
	add("string.byte(@, @, @)", texts, ints, ints)
	add("string.byte(@, @)", texts, ints)
	add("string.find(@, @, @)", texts, []string{`""`, `"l"`, `"."`, `"l*"`, `")"`}, ints)
	add("string.find(@, @, @, true)", texts, []string{`""`, `"l"`, `"."`}, ints)
	add("string.match(@, @, @)", texts, []string{`""`, `"(l)(l)"`, `"^."`, `".$"`}, ints)
	add("string.sub(@)", []string{"", "'x'", "nil, 1", "{}, 1", "12, 1", "'x', 'y'", "'abc', '2'", "'abc', 1.9"})
	add("string.@(@)", []string{"find", "match", "gmatch", "gsub", "format"}, []string{"", "nil", "'x'", "{}, 'x'", "'x', {}", "'x', 'x', {}"})
	add("string.rep(@, @)", texts, []string{"-1", "0", "3", `"2"`, "1.9", "nil", "{}"})
	add("string.@(@)", []string{"upper", "lower", "len", "reverse", "char", "byte"}, []string{`"aZ09"`, "12", `"\0\255z"`, "nil", "{}", ""})
	return list
}

func numberExpressions() (list []string) {
	add := func(format string, columns ...[]string) { list = append(list, combine(format, columns...)...) }
	numbers := []string{
		`"10"`, `"0x1F"`, `"1e5"`, `" 5 "`, `"5 5"`, `""`, `" "`, `"1e"`, `"."`, `".5"`, `"5."`, `"0x"`, `"+3"`, `"-3"`, `"- 3"`, `"--3"`,
		`"1e400"`, `"0x1p4"`, `"0x.8"`, `"0xA.8p1"`, `"1_0"`, `"z"`, `"zZ"`, `"\n7\t"`, "12", "1.5", "nil", "{}", "true", "",
	}
	add("tonumber(@)", numbers)
	for _, n := range numbers {
		if n != "" && !strings.Contains(n, "-") { // C's strtoul wraps around
			add("tonumber("+n+", @)", []string{"2", "8", "10", "16", "36", "1", "37", `"16"`, "nil"})
		}
	}
	return list
}

func formatExpressions() (list []string) {
	add := func(format string, columns ...[]string) { list = append(list, combine(format, columns...)...) }
	values := []string{"0", "1", "-1", "42", "-42.7", "1e10", "0.1", "1/3", "1e-7", "123456789", "1/0", "-1/0", `"7"`, `"x"`, "nil", ""}
	for _, spec := range []string{"", "5", "-8", "08", "+", " ", "#", "10.3", ".0", ".5", "-+9.2", "# 12.4", "020.10"} {
		for verb := range strings.SplitSeq("e E f g G", " ") {
			add("string.format('%"+spec+verb+"', @)", values)
		}
		for verb := range strings.SplitSeq("d i u x X o c", " ") {
			if !strings.ContainsAny(spec, "+ ") { // of no use for unsigned ones
				add("string.format('%"+spec+verb+"', @)", []string{"1", "42", "65.5", `"7"`, `"x"`, "nil", ""})
			}
		}
		add("string.format('[%"+spec+"s]', @)", []string{`""`, `"abc"`, `("x"):rep(120)`, "12", "nil", "true", ""})
		add("string.format('%"+spec+"d', @)", []string{"-5", "0", "2^40"})
	}
	add("string.format(@, 1, 2)", []string{`"%"`, `"%5"`, `"%y"`, `"%%"`, `"%100d"`, `"%.100d"`, `"%0-+ #d"`, `"%0-+ ##d"`, `"%d%d%d"`, `"%5.d"`, `"%q"`})
	add("string.format('%q', @)", []string{`"a\0b\r\n\t\"\\"`, `"\255"`, "12", "nil"})
	return list
}

func tableExpressions(ints []string) (list []string) {
	add := func(format string, columns ...[]string) { list = append(list, combine(format, columns...)...) }
	add("table.concat(@, @)", []string{"{}", "{1, 2, 3}", `{"a", 1.5}`, "{1, {}, 2}", "nil", "5"}, []string{`","`, "1", "nil"})
	add("table.concat({1, 2, 3, 4}, ',', @, @)", ints, []string{"0", "1", "3", "4", "5", "nil"})
	add("(function() local t = {1, 2, 3} return select('#', table.insert(t, @, 'x')), t[-3], t[0], t[1], t[2], t[3], t[4], t[5], t[9] end)()", ints)
	add("(function() local t = {1, 2, 3} local r = table.remove(t, @) return r, t[1], t[2], t[3], #t end)()", ints)
	add("table.@(@)", []string{"insert", "remove", "maxn", "sort", "concat"}, []string{"", "nil", "5", "{}", "{}, 1, 2, 3", "{1}, {}"})
	add("unpack({1, 2, 3}, @, @)", ints, ints)
	add("select(@, 'a', 'b', 'c')", append(ints, `"#"`, `"2"`, "nil", "{}"))
	return list
}

func otherExpressions() (list []string) {
	add := func(format string, columns ...[]string) { list = append(list, combine(format, columns...)...) }
	add("math.@(@)", strings.Fields("abs ceil floor sqrt exp log log10 sin cos tan asin acos atan sinh cosh tanh deg rad modf frexp"),
		[]string{"0", "1", "-1.5", "0.3", "100", "1e10", "1/0", "-1/0", `"0x10"`, `"x"`, "nil", ""})
	add("math.@(@, @)", []string{"fmod", "pow", "atan2", "max", "min"}, []string{"7", "-7", "0.5", "1/0"}, []string{"3", "-3", "0", "1/0", "{}"})
	add("math.ldexp(@, @)", []string{"7", "-7", "0.5", "1/0"}, []string{"3", "-3", "0.9", "2000", "{}"})
	add("math.floor(math.log10(@))", []string{"1000", "1e22", "1e-3"})
	add("math.@()", []string{"max", "min", "randomseed"}) // C evaluates two arguments from the right
	add("math.random(@)", []string{"0", "-1", "1", "5, 5", "2, 1", "1, 2, 3", "{}", "nil"})
	for letter := range strings.SplitSeq("a A b B c C d D e F g G h H I j m M n p r R S t T u U V w W x X y Y z Z % Q E", " ") {
		times := []string{"0", "951782400", "1104537600", "1230768000", "1767225599", "4102444800", "-86400 * 366 * 60", "45296"}
		if letter != "C" { // of years before 1000 glibc writes one digit, where C99 has two
			times = append(times, "-62135596800", "-38000000000", "253402300800", "9e11")
		}
		add("os.date('!<%"+letter+">', @)", times)
	}
	add("(function() local d = os.date('!*t', @) return d.year, d.month, d.day, d.hour, d.min, d.sec, d.wday, d.yday, d.isdst end)()",
		[]string{"0", "951782400", "1767225599", "-1"})
	add("os.@(@)", []string{"time", "date"}, []string{"5", "{}", "{year = 1}", "true"})
	add("os.time({year = 2026, month = @, day = @, hour = @})", []string{"1", `"7"`, "14"}, []string{"1", "-3", "40"}, []string{"nil", "0", "30"})
	add("os.difftime(@)", []string{"5, 3", "5", "nil", "", `"x"`, `5, "3"`})
	add("assert(@)", []string{"1, 2", "nil", "false, 'm'", ""})
	add("error(@)", []string{"'e', 0", "'e', 1", "nil, 0", "{}, 2", "12", "'e', {}"})
	add("@(@)", strings.Fields("type tonumber rawget rawset rawequal setmetatable next ipairs pairs unpack error"),
		[]string{"", "nil", `"a"`, "1", "{}", "{1}, 1", "{}, nil", "{1}, 1, 2", "true"})
	add("@(@)", []string{"tostring", "getmetatable"}, []string{"", "nil", "1", `"a" == "a"`})
	return list
}

// randomExpressions returns calls with patterns, subjects and replacements made of meaningful pieces.
func randomExpressions(random *rand.Rand) []string {
	pieces := []string{
		"a", "b", ".", "%a", "%d", "%s", "%w", "%A", "%.", "%%", "[ab]", "[^a]", "[a-c%d]", "[]a]", "[^]]", "[a-]", "[%w_]", "[a-%%]",
		"(", ")", "()", "(a)", "(.-)", "(%w*)", "%1", "%2", "%b()", "%bab", "%f[%w]", "%f[^a]", "^", "$", "a*", "b+", ".-", "%s?",
		"[ab]*", "%", "[", "%f", "%b", "-", "*", "x", "\xe9", "%g",
	}
	letters := "aabbc1 ()x.%]\xe9_-"
	replacements := []string{
		`"<%0>"`, `"%1"`, `"%2%1"`, `"-"`, `"%%"`, `"%x%"`, "7", `{a = "A", b = false, [1] = "one"}`,
		`function(...) return select("#", ...) .. tostring((...)) end`, `function() end`, "nil", "true",
	}
	quote := func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			fmt.Fprintf(&b, `\%03d`, s[i])
		}
		return `"` + b.String() + `"`
	}
	var list []string
	for range 2000 {
		var pattern, subject strings.Builder
		for range random.IntN(5) + 1 {
			pattern.WriteString(pieces[random.IntN(len(pieces))])
		}
		for range random.IntN(12) {
			subject.WriteByte(letters[random.IntN(len(letters))])
		}
		s, p := quote(subject.String()), quote(pattern.String())
		switch random.IntN(5) {
		case 0:
			list = append(list, fmt.Sprintf("string.find(%s, %s, %d)", s, p, random.IntN(16)-6))
		case 1:
			list = append(list, fmt.Sprintf("string.match(%s, %s)", s, p))
		case 2:
			list = append(list, fmt.Sprintf("(function() local out, n = {}, 0 for a, b in string.gmatch(%s, %s) do "+
				"n = n + 1 out[n] = show(a) .. show(b) end return table.concat(out, ',') end)()", s, p))
		default:
			list = append(list, fmt.Sprintf("string.gsub(%s, %s, %s)", s, p, replacements[random.IntN(len(replacements))]))
		}
	}
	return list
}
