package compile_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/compile"
	"perigee/engine/testkit"
)

// randomPrograms is the number of programs to compare; the environment variables PROGRAMS and SEED change it and the seed.
const randomPrograms = 150

func TestRandomProgramsPrintWhatLuaPrints(t *testing.T) {
	binary := testkit.Program(t, "lua5.1")
	sources := make([]string, setting(t, "PROGRAMS", randomPrograms))
	seed := setting(t, "SEED", 1)
	for i := range sources {
		sources[i] = generate(uint64(seed + i))
	}
	for i, want := range outcomes(t, binary, sources, runProgram) {
		if got := outcome(sources[i]); got != want {
			t.Errorf("program of seed %d printed\n%s\nwant\n%s\nprogram:%s", seed+i, got, want, sources[i])
		}
	}
}

func TestRandomTextIsRefusedWhereLuaRefusesIt(t *testing.T) {
	binary := testkit.Program(t, "lua5.1")
	sources := make([]string, setting(t, "PROGRAMS", randomPrograms)/2)
	seed := setting(t, "SEED", 1)
	for i := range sources {
		sources[i] = garble(uint64(seed + i))
	}
	for i, want := range outcomes(t, binary, sources, loadProgram) {
		got := "ok\n"
		if _, err := compile.Compile("program", []byte(sources[i])); err != nil {
			got = "refused\n"
			if want != got {
				got += err.Error()
			}
		}
		if got != want {
			t.Errorf("Compile of seed %d: %s, want %s\nprogram:%s", seed+i, got, want, sources[i])
		}
	}
}

// garble returns a random program in which words are left out, doubled, changed or exchanged. It avoids empty statements,
// which Lua 5.1 refuses.
func garble(seed uint64) string {
	program := strings.TrimPrefix(generate(seed), prelude)
	program = strings.ReplaceAll(program[:min(len(program), 1500)], ";", "\n")
	word := regexp.MustCompile(`\[\[[^\]]*\]\]|"[^"\n]*"|\w+|[=~<>]=|\.+|\n|[^\s\w]`)
	words := word.FindAllString(program, -1)
	others := strings.Fields(`( ) [ ] { } and or not end do then if while repeat until for in function local return break ,
		= == .. ... . : + - # ^ x "s" 5 nil true else elseif ~ $ 3x "a \ (f) 0x "\400"`)
	random := rand.New(rand.NewPCG(seed, 1))
	for range 1 + random.IntN(2) {
		at, other := random.IntN(len(words)), random.IntN(len(words))
		switch random.IntN(5) {
		case 0:
			words = slices.Delete(words, at, at+1)
		case 1:
			words[at] = others[random.IntN(len(others))]
		case 2:
			words = slices.Insert(words, at, others[random.IntN(len(others))])
		case 3:
			words[at], words[other] = words[other], words[at]
		case 4:
			words = slices.Insert(words, at, "\n")
		}
	}
	return strings.Join(words, " ")
}

func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		return otherwise
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		t.Fatalf("%s=%q: %v", name, value, err)
	}
	return n
}

// outcome returns the output of a program; if it fails, the last line is the error.
func outcome(source string) string {
	proto, err := compile.Compile("program", []byte(source))
	if err != nil {
		return fmt.Sprintf("compile: %v\n", err)
	}
	output, err := execute(proto)
	switch {
	case err == nil:
		return output
	case strings.Contains(err.Error(), "budget"):
		return output + "budget\n"
	}
	if problem := err.Error(); strings.Contains(problem, "runtime error") || strings.Contains(problem, "panic") {
		return output + "crash " + problem + "\n"
	}
	var stop *lua.ApiError
	if errors.As(err, &stop) && strings.HasSuffix(stop.Object.String(), "stop") {
		return output + stop.Object.String() + "\n" // with its line
	}
	return output + "error\n"
}

// runner is the beginning of the Lua program that runs all programs in one process, with a line of dots after each.
const runner = `
local function text(v)
  if v ~= v then return "nan" elseif v == 0 then return "0" end
  return (type(v) == "table" or type(v) == "function") and type(v) or tostring(v)
end
function print(...)
  local words = {}
  for i = 1, select("#", ...) do words[i] = text((select(i, ...))) end
  io.write(table.concat(words, "\t"), "\n")
end
for _, program in ipairs(programs) do
  local f, problem = loadstring(program, "=program")
  HANDLE
  io.write("......\n")
end
`

// What the runner does with a program.
const (
	runProgram = `
  local ok, problem = pcall(f)
  if not ok then io.write(problem:find("budget") and "budget" or problem:find("stop$") and problem or "error", "\n") end`
	loadProgram = `io.write(f and "ok" or "refused", "\n")`
)

// outcomes returns the output of the programs under the reference implementation.
func outcomes(t *testing.T, binary string, sources []string, handle string) []string {
	t.Helper()
	var script bytes.Buffer
	script.WriteString("local programs = {}\n")
	for i, source := range sources {
		fmt.Fprintf(&script, "programs[%d] = [====[\n%s]====]\n", i+1, source)
	}
	script.WriteString(strings.Replace(runner, "HANDLE", handle, 1))
	file := filepath.Join(t.TempDir(), "programs.lua")
	if err := os.WriteFile(file, script.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := exec.CommandContext(t.Context(), binary, file).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", binary, file, err, output)
	}
	printed := strings.Split(string(output), "......\n")
	if len(printed) != len(sources)+1 {
		t.Fatalf("%s printed the output of %d programs, want %d:\n%s", binary, len(printed)-1, len(sources), output)
	}
	return printed[:len(sources)]
}
