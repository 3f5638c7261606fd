package compile_test

import (
	"fmt"
	"strings"
)

func (g *generator) block(n int) {
	g.scopes = append(g.scopes, nil)
	g.depth++
	for range n {
		g.statement()
	}
	g.depth--
	g.scopes = g.scopes[:len(g.scopes)-1]
}

func (g *generator) statement() {
	if g.depth > 5 {
		g.simple()
		return
	}
	switch g.IntN(16) {
	case 0:
		g.line("if %s then", g.condition(2))
		g.branch()
		if g.IntN(3) == 0 {
			g.line("elseif %s then", g.condition(1))
			g.branch()
		}
		if g.IntN(2) == 0 {
			g.line("else")
			g.branch()
		}
		g.line("end")
	case 1:
		g.line("do")
		g.branch()
		g.line("end")
	case 2, 3, 4, 5:
		g.loops()
	case 6:
		g.define()
	default:
		g.simple()
	}
}

// branch writes a block that may end in break or return.
func (g *generator) branch() {
	g.block(g.IntN(4))
	if g.IntN(4) > 0 {
		return
	}
	g.depth++
	switch {
	case g.loop && g.IntN(3) > 0:
		g.line("break")
	case g.depth > 2 && g.IntN(4) == 0:
		g.line("return %s, %s", g.number(1), g.several(1))
	}
	g.depth--
}

// loops writes a loop. All of them call tick; those without a condition may end in the middle.
func (g *generator) loops() {
	outer := g.loop
	g.loop = true
	g.scopes = append(g.scopes, nil, nil)
	head := g.head()
	g.line("%s", head)
	g.depth++
	if g.IntN(2) == 0 {
		g.line("tick()")
	}
	if g.IntN(2) == 0 {
		g.shape()
	}
	if g.IntN(3) == 0 {
		g.line("if %s then %s break end", g.pick("false", "true", "nil"), g.pick("G = 2", "", "local a = 1"))
	}
	for range g.IntN(4) {
		g.statement()
	}
	g.line("tick()")
	if strings.HasPrefix(head, "while") || head == "repeat" {
		g.line("if %s then %s break end", g.condition(1), g.pick("", g.capture(g.fresh(number))))
	}
	if g.IntN(5) == 0 {
		g.line("break")
	}
	g.depth--
	if head == "repeat" {
		g.line("until %s", g.condition(1))
	} else {
		g.line("end")
	}
	g.scopes = g.scopes[:len(g.scopes)-2]
	g.loop = outer
}

// head returns the head of a loop and declares its variables. There are never more than three expressions behind "in":
// the reference implementation gives the variables wrong registers then.
func (g *generator) head() string {
	n, m := g.fresh(number), g.fresh(number)
	switch g.IntN(6) {
	case 0:
		return fmt.Sprintf("while %s do", g.pick("true", g.condition(2), "not (false)", "1"))
	case 1:
		return "repeat"
	case 2:
		limits := g.number(1) + ", " + g.number(1) + g.pick("", "", ", 2", ", -1", ", 0.5")
		g.declare(n)
		return fmt.Sprintf("for %s = %s do", n, limits)
	case 3:
		g.declare(n)
		g.declare(m)
		return fmt.Sprintf("for %s, %s in %s do", n, m,
			g.pick("ipairs({4, 5, 6})", "range(3)", "next, {4, 5}", "next, {3, 1}, nil", "(range(3)), 2, 0", "range(2), 3, 1"))
	case 4:
		g.declare(n)
		return fmt.Sprintf("for %s in %s do", n,
			g.pick("next, {4, 5}", "next, pack(1, 2) and {7}", "range(2)", "(function() return range end)()(2)"))
	}
	for _, name := range []string{n, "a", "b", "c"} {
		g.declare(name)
	}
	return fmt.Sprintf("for %s, a, b, c in %s do", n, g.pick("range(3)", "next, {true}", "(range(2)), 2, 0"))
}

// shape writes an unusual beginning of a loop.
func (g *generator) shape() {
	switch g.IntN(9) {
	case 5:
		g.line("while (%s and G) == false do tick() %s end", g.pick("false", "nil", "not 1"), g.pick("", "break", "if G then break end"))
	case 6:
		g.line("repeat local a = %s and G; tick() until %s", g.pick("false", "nil", "true"), g.condition(2))
	case 7:
		g.line("if %s then %s else %s end", g.pick("not not nil", "not 1", "nil or false", "not not true"), g.pick("", "G = 3"), g.pick("", "G = 4"))
	case 0:
		g.line("if false then %s else %s end", g.pick("", "G = 3"), g.pick("", "G = 4"))
	case 1:
		g.line("while %s do break end", g.pick("true", "false", "nil", "1", "not nil", "(false or nil)"))
	case 2:
		g.line("repeat until true")
	case 3:
		g.line("do end")
	case 4:
		g.line("repeat local a = %s if a then break end until true", g.pick("nil and G", "false or G", "true and G"))
	}
}

// capture writes a block that leaves a function with a captured variable of the block.
func (g *generator) capture(n string) string {
	vararg := g.vararg
	defer func() { g.vararg = vararg }()
	g.vararg = false
	return fmt.Sprintf("local %s = %s; fs[#fs + 1] = function() %s = %s + 1; return %s, %s end", n, g.number(1), n, n, n, g.any(1))
}

func (g *generator) define() {
	name := g.fresh(function)
	switch g.IntN(4) {
	case 0, 1:
		g.banned = append(g.banned, name)
		body := g.body()
		g.banned = g.banned[:len(g.banned)-1]
		g.line("local function %s%s", name, body)
	case 2:
		g.line("local %s = %s", name, g.function())
	case 3:
		if f := g.variable(function); f != "" {
			g.line("local %s = %s", name, f)
		} else {
			g.line("local %s = %s", name, g.function())
		}
	}
	g.declare(name)
}

func (g *generator) function() string { return "function" + g.body() }

func (g *generator) body() (body string) {
	inner := *g
	inner.out = &strings.Builder{}
	if g.IntN(20) == 0 {
		defer func(many string) { body = strings.Replace(body, "tick()", "tick() "+many, 1) }(g.constants())
	}
	inner.scopes = append(append([][]string{}, g.scopes...), nil)
	inner.loop = false
	inner.calls = true
	parameters := g.pick("i", "i, j", "j, i, a", "i, k, ...", "n, k, d, ...", "n, n, a, b")
	inner.vararg = strings.Contains(parameters, "...")
	for p := range strings.SplitSeq(parameters, ", ") {
		if p != "..." {
			inner.declare(p)
		}
	}
	inner.depth++
	inner.line("tick()")
	inner.depth--
	if g.depth < 4 {
		inner.block(g.IntN(5))
	}
	inner.depth++
	inner.line("return %s", inner.pick(inner.number(2), inner.number(1)+", "+inner.several(1), inner.call(1)))
	inner.depth--
	return fmt.Sprintf("(%s)\n%s%send", parameters, inner.out.String(), strings.Repeat("  ", g.depth))
}

func (g *generator) declareOne(s sort) {
	name := g.fresh(s)
	g.line("local %s = %s", name, g.value(s, 2))
	g.declare(name)
}

func (g *generator) simple() {
	switch g.IntN(18) {
	case 10, 11:
		v := g.target(anything)
		g.line("%s = %s", v, g.pick(g.logical(2), g.logical(1), "("+g.multiple(1)+")"))
		g.line("print(%s)", v)
	case 9:
		if g.IntN(6) == 0 {
			g.line("if %s then error(\"stop\") end", g.condition(2))
		}
	case 7:
		g.line("m%s = %s", g.pick(".x", "[1]"), g.any(2))
	case 8:
		g.line("function %s%s", g.pick("G", "o.f", "o:f", "m.f"), g.body())
		g.line("%s", g.pick("G = 1", "if not F and o.f then F = true; print(o:f(1, 2)); F = nil end", ""))
	case 0:
		g.declareOne(sort(g.IntN(int(function))))
	case 1:
		n, a, s := g.fresh(number), g.fresh(anything), g.fresh(text)
		g.line("local %s, %s, %s = %s, %s, %s", n, a, s, g.number(2), g.any(2), g.text(1))
		g.declare(n)
		g.declare(a)
		g.declare(s)
	case 2:
		a, b := g.fresh(anything), g.fresh(anything)
		g.line("local %s, %s = %s", a, b, g.several(2))
		g.declare(a)
		g.declare(b)
	case 3:
		g.line("print(%s)", g.several(2))
	case 4:
		if t := g.variable(list); t != "" {
			g.line("dump(%s)", t)
		}
	case 5:
		n := g.fresh(number)
		g.line("%s", g.capture(n))
		g.declare(n)
	case 6:
		g.line("%s", g.pick("o:add("+g.number(1)+")", "print(("+g.multiple(1)+"))", "print(o.get(o, "+g.any(1)+"))"))
	default:
		g.assign()
	}
}

// target returns a variable or a field of the sort; keys that a call could change are left out.
func (g *generator) target(s sort) string {
	if s == anything && g.IntN(2) == 0 {
		if t := g.variable(list); t != "" {
			key := "[" + g.number(0) + "]"
			if g.calls {
				key = fmt.Sprintf("[%d]", g.IntN(5))
			}
			return t + g.pick(".x", ".y", key)
		}
	}
	if s == anything && g.IntN(4) == 0 {
		return g.pick("G", "o.w", "o:me().w", "o.me(o).me(o).w", "m[1]")
	}
	if v := g.variable(s); v != "" {
		return v
	}
	return "G"
}

// logical returns "and" and "or" without brackets around them.
func (g *generator) logical(depth int) string {
	if depth == 0 {
		return g.pick(g.any(1), g.any(0), g.any(0), g.condition(1))
	}
	left := g.logical(depth - 1)
	if g.IntN(3) == 0 {
		left = "(" + left + ")"
	}
	return left + g.pick(" and ", " or ") + g.logical(depth-1)
}

func (g *generator) assign() {
	g.calls = g.IntN(2) == 0
	defer func() { g.calls = true }()
	n := 1
	if g.IntN(2) == 0 {
		n = 1 + g.IntN(4)
	}
	var targets, values []string
	for range n {
		s := []sort{number, number, anything, anything, text}[g.IntN(5)]
		targets = append(targets, g.target(s))
		values = append(values, g.value(s, 2))
	}
	if g.IntN(4) == 0 {
		values = append(values, g.several(1))
	}
	if g.IntN(4) == 0 {
		for range 1 + g.IntN(2) {
			targets = append(targets, g.target(anything))
		}
		values = append(values, g.multiple(1))
	}
	g.line("%s = %s", strings.Join(targets, ", "), strings.Join(values, ", "))
}
