package vm

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"perigee/engine/script/compile"
	"perigee/engine/testkit"
)

// difference is a line that Perigee prints otherwise than Lua 5.1, and why.
type difference struct{ file, theirs, ours, why string }

// Reasons of differences.
const (
	wholeNumbers = "whole numbers up to 2^53 are written in full: they are ids more often than measurements"
	noSign       = "a zero has no sign in text: nobody wants to read -0"
	anyFunction  = "a coroutine may begin with any function, and the error says what it got"
	yields       = "a coroutine may yield below any function, so the only wrong place is outside of one"
	keepsMessage = "assert raises its message unchanged, whatever it is, as later versions of Lua do"
	zeroBytes    = "strings with zero bytes are formatted whole, where C would stop"
)

func differences() []difference {
	return []difference{
		{"coroutines.lua", "coroutines.lua:32: bad argument #1 to 'create' (Lua function expected)", "coroutines.lua:32: bad argument #1 to 'create' (function expected, got number)", anyFunction},
		{"coroutines.lua", "coroutines.lua:33: bad argument #1 to 'resume' (coroutine expected)", "coroutines.lua:33: bad argument #1 to 'resume' (coroutine expected, got number)", anyFunction},
		{"coroutines.lua", "coroutines.lua:34: bad argument #1 to 'wrap' (Lua function expected)", "coroutines.lua:34: bad argument #1 to 'wrap' (function expected, got nil)", anyFunction},
		{"coroutines.lua", "attempt to yield across metamethod/C-call boundary", "coroutines.lua:71: attempt to yield from outside a coroutine", yields},
		{"errors.lua", "errors.lua:107: in a function", "in a function", keepsMessage},
		{"errors.lua", "errors.lua:108: assertion failed!", "assertion failed!", keepsMessage},
		{"literals.lua", "0\t0\t1\ttrue\t-0", "0\t0\t1\ttrue\t0", noSign},
		{"literals.lua", "1e+14\t1.2345678901234e+14", "100000000000000\t123456789012345", wholeNumbers},
		{"literals.lua", "16\txx\t56\t0.333\ttrue", "16\txx\t56\t0.333\tfalse", wholeNumbers},
		{"math.lua", "-0.5\t-1\ttrue\t0.5\t-0\t-0.5", "-0.5\t-1\ttrue\t0.5\t0\t-0.5", noSign},
		{"math.lua", "-3\t-3\ttrue\t3\t-3\t-0", "-3\t-3\ttrue\t3\t-3\t0", noSign},
		{"math.lua", "1e+15\t1e+15\ttrue\t1e+15\t1e+15\t0", "1000000000000000\t1000000000000000\ttrue\t1000000000000000\t1000000000000000\t0", wholeNumbers},
		{"strings.lua", "10\t3\t-3\tcut", "10\t3\t-3\ttrue", zeroBytes},
	}
}

// errorPlace finds the place of an error, and errorName the name of a function in it.
var (
	errorPlace = regexp.MustCompile(`\b\w+\.lua:\d+: `)
	errorName  = regexp.MustCompile(`(bad argument #\d+ to )'[\w?]+'`)
)

// tells reports whether our error is theirs with a place or the name of a function besides. Lua 5.1 knows neither if pcall has
// called a function of the library directly.
func tells(ours, theirs string) bool {
	if !errorPlace.MatchString(theirs) {
		ours = errorPlace.ReplaceAllString(ours, "")
	}
	return errorName.ReplaceAllString(ours, "$1") == errorName.ReplaceAllString(theirs, "$1") && (strings.Contains(theirs, "'?'") || ours == theirs)
}

// The programs in testdata/lua51 print the same under Perigee and under Lua 5.1, but for the differences.
func TestLua51(t *testing.T) {
	program := testkit.Program(t, "lua5.1")
	files, err := filepath.Glob("testdata/lua51/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatalf("programs: %v, %v", files, err)
	}
	found := map[difference]bool{}
	for _, file := range files {
		name := filepath.Base(file)
		reference := exec.CommandContext(t.Context(), program, name)
		reference.Dir = filepath.Dir(file)
		output, err := reference.CombinedOutput()
		if err != nil {
			t.Fatalf("lua5.1 %s: %v\n%s", name, err, output)
		}
		theirs, ours := strings.Split(strings.TrimSuffix(string(output), "\n"), "\n"), printed(t, file)
		if len(ours) != len(theirs) {
			t.Fatalf("%s: %d lines, want %d; the last one is %q", file, len(ours), len(theirs), ours[len(ours)-1])
		}
		for i := range theirs {
			if ours[i] != theirs[i] && !tells(ours[i], theirs[i]) && !known(found, name, theirs[i], ours[i]) {
				t.Errorf("%s, line %d of its output\n got %s\nwant %s", file, i+1, ours[i], theirs[i])
			}
		}
	}
	for _, d := range differences() {
		if !found[d] {
			t.Errorf("%s: there is no difference between %q and %q", d.file, d.theirs, d.ours)
		}
	}
}

// printed returns the lines that a program prints under Perigee; an error is one more.
func printed(t *testing.T, file string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := start(t, Options{TurnTimeout: time.Minute, Print: func(text string) { lines = append(lines, strings.Split(text, "\n")...) }})
	proto, err := compile.Compile(filepath.Base(file), text)
	if err != nil {
		t.Fatal(err)
	}
	m.turn(t, func() {
		if _, err := m.Call(nil, 0, m.State().NewFunctionFromProto(proto)); err != nil {
			lines = append(lines, err.Error())
		}
	})
	return lines
}

// known reports whether a line differs by the known differences of its file only, and notes them.
func known(found map[difference]bool, file, theirs, ours string) bool {
	for _, d := range differences() {
		if d.file == file && strings.Contains(theirs, d.theirs) && strings.Replace(theirs, d.theirs, d.ours, 1) == ours {
			found[d] = true
			return true
		}
	}
	return false
}
