package compile_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// prelude is the beginning of every generated program. tick ends programs that run too long, at the same place in every Lua.
const prelude = `
local ticks = 0
local function tick() ticks = ticks + 1; if ticks > 1500 then error("budget") end end
local function dump(t) print(t[1], t[2], t[3], t[4], t[5], t.x, t.y) end
local function number(v) if type(v) == "number" then return v end return 7 end
local function range(n) return function(last, i) if i < last then return i + 1, i * 2 end end, n, 0 end
local function pack(...) return {n = select("#", ...), ...} end
local function check(n) if n == 12 then error("stop", 2) end return n end
local fs = {}
local o = {v = 1}
function o:add(n) self.v = (self.v + n) % 50; return self end
function o.get(self, ...) return self.v, ... end
function o.me(self) return self end
local m = setmetatable({}, {
  __add = function(a, b) tick() return 5, 6 end, __unm = function() tick() return 8, 9 end,
  __concat = function(a, b) tick() return "m", "n" end, __index = function(t, k) tick() return k, k end,
  __newindex = function(t, k, v) print(k, v) end, __lt = function() tick() return true, 1 end,
  __call = function(self, ...) tick() return select("#", ...), ... end
})
local function count(n, ...) tick(); n = n % 6; if n > 0 then return count(n - 1, n, ...) end return select("#", ...), ... end
G, H, F = 1, "h", nil
`

const epilogue = `
for _, f in ipairs(fs) do print(f()) end
for _, f in ipairs(fs) do print(f()) end
print(G, H, o.v)
`

// sort is the type of a generated variable: programs are written so that they raise no type errors.
type sort int

const (
	number sort = iota
	text
	anything
	list
	function // takes two numbers and anything, returns a number and anything
	sorts
)

// generator writes a random program. Names have few letters for each sort, so that they often shadow each other.
type generator struct {
	*rand.Rand
	out    *strings.Builder
	scopes [][]string // names of the local variables, those of outer functions too
	banned []string   // functions that are being defined
	depth  int        // of blocks
	calls  bool       // whether expressions may call functions
	vararg bool
	loop   bool
}

func generate(seed uint64) string {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), out: &strings.Builder{}, calls: true, vararg: true}
	g.out.WriteString(prelude)
	if g.IntN(8) == 0 { // so many constants that the others do not fit into operands
		g.line("%s", g.constants())
	}
	g.scopes = [][]string{nil}
	for s := range sorts - 1 {
		g.declareOne(s)
	}
	g.block(6 + g.IntN(8))
	g.out.WriteString(epilogue)
	return g.out.String()
}

func (g *generator) constants() string {
	return "do local _ = {" + g.items(250+g.IntN(10), func() string { return fmt.Sprintf("%q", fmt.Sprint("k", g.Uint32())) }) + "} end"
}

func (g *generator) line(format string, arguments ...any) {
	g.out.WriteString(strings.Repeat("  ", g.depth))
	fmt.Fprintf(g.out, format, arguments...)
	g.out.WriteByte('\n')
}

func (g *generator) pick(choices ...string) string { return choices[g.IntN(len(choices))] }

func (g *generator) items(n int, item func() string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = item()
	}
	return strings.Join(list, ", ")
}

func letters(s sort) string { return [...]string{"ijkn", "rs", "abcd", "tu", "fgh"}[s] }

func (g *generator) fresh(s sort) string {
	return string(letters(s)[g.IntN(len(letters(s)))])
}

func (g *generator) declare(name string) {
	g.scopes[len(g.scopes)-1] = append(g.scopes[len(g.scopes)-1], name)
}

// variable returns a visible local variable of the sort, or "".
func (g *generator) variable(s sort) string {
	var visible []string
	for _, scope := range g.scopes {
		for _, name := range scope {
			if strings.Contains(letters(s), name) && !slices.Contains(g.banned, name) {
				visible = append(visible, name)
			}
		}
	}
	if len(visible) == 0 {
		return ""
	}
	return visible[g.IntN(len(visible))]
}

func (g *generator) value(s sort, depth int) string {
	switch s {
	case number:
		return g.number(depth)
	case text:
		return g.text(depth)
	case list:
		return g.table(depth)
	case function:
		return g.function()
	}
	return g.any(depth)
}

func (g *generator) call(depth int) string {
	f := g.variable(function)
	if f == "" || !g.calls {
		return "number(nil)"
	}
	return fmt.Sprintf("%s(%s, %s, %s)", f, g.number(depth-1), g.number(depth-1), g.several(depth-1))
}

// several returns a list of expressions of any sort, the last perhaps with several values.
func (g *generator) several(depth int) string {
	list := g.items(g.IntN(3), func() string { return g.any(depth) })
	if list != "" {
		list += ", "
	}
	if g.IntN(3) > 0 || depth <= 0 {
		return list + g.any(depth)
	}
	return list + g.multiple(depth)
}

// several2 returns a list of expressions, the first of which is a number.
func (g *generator) several2(depth int) string {
	return g.number(depth) + g.pick("", ", "+g.several(depth))
}

func (g *generator) multiple(depth int) string {
	if g.IntN(6) == 0 {
		return g.pick("m("+g.several(depth-1)+")", "m"+g.table(depth-1), "m[[s]]", "m'c'", "count("+g.several2(depth-1)+")")
	}
	if g.vararg && g.IntN(2) == 0 {
		return "..."
	}
	if g.calls && g.IntN(3) == 0 {
		return fmt.Sprintf("o:get(%s)", g.any(depth-1))
	}
	return g.call(depth)
}

func (g *generator) number(depth int) string {
	if depth <= 0 {
		if n := g.variable(number); n != "" && g.IntN(3) > 0 {
			return n
		}
		return fmt.Sprint(g.IntN(7))
	}
	sub := func() string { return g.number(depth - 1) }
	switch g.IntN(20) {
	case 17:
		return fmt.Sprintf("(check(%s))", sub())
	case 13:
		return strings.Replace(g.pick("(m + @)", "(@ + m)", "-m + @ % 7", "m(@, 2)", "(m(@))"), "@", g.number(0), 1)
	case 14:
		return fmt.Sprintf("count(%s)", g.several2(depth-1))
	case 15:
		if g.calls {
			return fmt.Sprintf("(%s):get(%s)", g.pick("o", "G and o or o", "o:me()", "o.me(o)", "(o:me())", "false or o"), g.several(depth-1))
		}
		return g.number(0)
	case 16:
		return fmt.Sprintf("(function(...) local i = ...; return number((i)) %% 7, ... end)(%s)", g.several(depth-1))
	case 0, 1:
		return fmt.Sprintf("%s %s %s", sub(), g.pick("+", "-"), g.small(depth-1))
	case 2:
		return fmt.Sprintf("(%s * %d) %% 11", sub(), g.IntN(4))
	case 3:
		return fmt.Sprintf("-(%s) %% 13", sub())
	case 4:
		return "(" + g.call(depth) + ")"
	case 5:
		return g.call(depth)
	case 6:
		return fmt.Sprintf("((%s) and %s or %s)", g.condition(depth-1), sub(), sub())
	case 7:
		return fmt.Sprintf("number(%s)", g.any(depth-1))
	case 8:
		return fmt.Sprintf("number(%s)", g.multiple(depth-1)+g.pick("", ", 1"))
	case 9:
		return fmt.Sprintf("#(%s)", g.text(depth-1))
	case 10:
		if g.calls {
			return fmt.Sprintf("o:add(%s):add(%s).v", sub(), sub())
		}
		return "o.v"
	case 11:
		return "number(G)"
	case 12:
		return fmt.Sprintf("#{%s}", g.items(g.size(), func() string { return g.number(0) }))
	}
	return g.number(0)
}

// small keeps numbers from growing out of the range in which all Luas agree.
func (g *generator) small(depth int) string {
	if g.IntN(2) == 0 {
		return fmt.Sprint(g.IntN(9))
	}
	return fmt.Sprintf("(%s) %% 9", g.number(depth))
}

func (g *generator) text(depth int) string {
	if depth <= 0 {
		if s := g.variable(text); s != "" && g.IntN(2) > 0 {
			return fmt.Sprintf("%s:sub(1, 4)", s)
		}
		return g.pick(`"x"`, `"yy"`, `[[z]]`, `""`)
	}
	switch g.IntN(8) {
	case 6:
		return fmt.Sprintf("(%s .. m .. %s)", g.text(depth-1), g.text(depth-1))
	case 7:
		return fmt.Sprintf("m[(%s)]", g.text(depth-1))
	case 0:
		return fmt.Sprintf("%s .. %s", g.text(depth-1), g.text(depth-1))
	case 1:
		return fmt.Sprintf("(%s .. %s) .. %s", g.text(depth-1), g.number(0), g.text(depth-1))
	case 2:
		return fmt.Sprintf("(%s or %s)", g.text(depth-1), g.text(depth-1))
	case 3:
		return fmt.Sprintf("(%s):rep(%s %% 3)", g.text(depth-1), g.number(0))
	case 4:
		return fmt.Sprintf("type(%s)", g.any(depth-1))
	}
	return g.text(0)
}

func (g *generator) any(depth int) string {
	if depth <= 0 {
		switch g.IntN(8) {
		case 0, 1, 2:
			if a := g.variable(anything); a != "" {
				return a
			}
		case 3:
			return g.number(0)
		case 4:
			return g.pick("G", "H", "o.w")
		case 5:
			return g.text(0)
		}
		return g.pick("nil", "true", "false", "1", `"q"`)
	}
	sub := func() string { return g.any(depth - 1) }
	switch g.IntN(12) {
	case 0, 1:
		return fmt.Sprintf("(%s and %s)", sub(), sub())
	case 2, 3:
		return fmt.Sprintf("(%s or %s)", sub(), sub())
	case 4:
		return fmt.Sprintf("not %s", sub())
	case 5:
		return "(" + g.condition(depth-1) + ")"
	case 6:
		return "(" + g.multiple(depth) + ")"
	case 7:
		if t := g.variable(list); t != "" {
			return t + g.pick("[1]", ".x", fmt.Sprintf("[%s]", g.number(depth-1)), "[\"y\"]")
		}
	case 8:
		return g.number(depth)
	case 9:
		return g.text(depth)
	case 10:
		return fmt.Sprintf("pack(%s).n", g.several(depth-1))
	}
	return g.any(0)
}

func (g *generator) condition(depth int) string {
	if depth <= 0 {
		return g.pick("true", "false", "nil", "1", g.any(0), g.any(0), g.any(0), g.any(0))
	}
	switch g.IntN(9) {
	case 8:
		return g.pick("m < m", "m > m", "not (m < m)", "m == m", "m ~= m", "m <= m")
	case 0, 1:
		return fmt.Sprintf("%s %s %s", g.number(depth-1), g.pick("<", "<=", ">", ">=", "==", "~="), g.number(depth-1))
	case 2:
		return fmt.Sprintf("%s %s %s", g.any(depth-1), g.pick("==", "~="), g.any(depth-1))
	case 3:
		return fmt.Sprintf("not (%s)", g.condition(depth-1))
	case 4:
		return fmt.Sprintf("(%s) and %s", g.condition(depth-1), g.condition(depth-1))
	case 5:
		return fmt.Sprintf("(%s) or %s", g.condition(depth-1), g.condition(depth-1))
	case 6:
		return fmt.Sprintf("%s < %s", g.text(depth-1), g.text(depth-1))
	}
	return g.any(depth)
}

// size returns a number of items: few, or near that of a full group of a constructor.
func (g *generator) size() int {
	if g.IntN(15) == 0 {
		return 50*(1+g.IntN(3)) - 2 + g.IntN(4)
	}
	return g.IntN(5)
}

func (g *generator) table(depth int) string {
	var fields []string
	for range g.size() {
		if g.IntN(7) == 0 {
			fields = append(fields, g.pick("x = ", "y = ", `["x"] = `)+g.any(min(depth, 1)))
		}
		fields = append(fields, g.number(min(depth-1, 1)))
	}
	switch g.IntN(5) {
	case 0:
		fields = append(fields, g.multiple(depth))
	case 1:
		fields = append(fields, "y = "+g.multiple(depth))
	}
	if len(fields) == 0 {
		return "{}"
	}
	return "{" + strings.Join(fields, ", ") + g.pick("", ",", ";") + "}"
}
