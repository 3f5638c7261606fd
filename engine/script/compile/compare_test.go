package compile_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"perigee/engine/script/compile"
)

// programs is how many random programs are compared; PROGRAMS and SEED in the environment set other numbers.
const programs = 300

// TestRandomProgramsPrintWhatLuaPrints compares with the reference implementation, Debian's lua5.1.
func TestRandomProgramsPrintWhatLuaPrints(t *testing.T) {
	lua, err := exec.LookPath("lua5.1")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("looking for the reference implementation: %v", err)
		}
		t.Skipf("no lua5.1 to compare with: %v", err)
	}
	sources := make([]string, setting(t, "PROGRAMS", programs))
	seed := setting(t, "SEED", 1)
	for i := range sources {
		sources[i] = generate(uint64(seed + i))
	}
	for i, want := range reference(t, lua, sources) {
		if got := outcome(sources[i]); got != want {
			t.Errorf("program of seed %d: printed\n%s\nwant\n%s\nprogram:%s", seed+i, got, want, sources[i])
			if os.Getenv("KEEP") != "" { 
				os.WriteFile(fmt.Sprintf("%s/%d.lua", os.Getenv("KEEP"), seed+i), []byte(sources[i]), 0o644)
			}
		}
	}
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

// outcome is what a program prints here; the last line tells how it ended if it did not end well.
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
	return output + "error\n"
}

// runner is the Lua program that runs programs and prints a line of dots after the output of each.
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
  if not f then
    io.write("syntax ", problem, "\n")
  else
    local ok, problem = pcall(f)
    if not ok then io.write(problem:find("budget") and "budget" or "error", "\n") end
  end
  io.write("......\n")
end
`

// reference returns what the programs print in the reference implementation, which runs all of them in one process.
func reference(t *testing.T, lua string, sources []string) []string {
	t.Helper()
	var script bytes.Buffer
	script.WriteString("local programs = {}\n")
	for i, source := range sources {
		fmt.Fprintf(&script, "programs[%d] = [====[\n%s]====]\n", i+1, source)
	}
	script.WriteString(runner)
	file := filepath.Join(t.TempDir(), "programs.lua")
	if err := os.WriteFile(file, script.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := exec.CommandContext(context.Background(), lua, file).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", lua, file, err, output)
	}
	outputs := strings.Split(string(output), "......\n")
	if len(outputs) != len(sources)+1 {
		t.Fatalf("%s printed the output of %d programs, want %d:\n%s", lua, len(outputs)-1, len(sources), output)
	}
	return outputs[:len(sources)]
}
