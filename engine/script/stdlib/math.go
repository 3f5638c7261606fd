package stdlib

import (
	cryptorand "crypto/rand"
	"encoding/binary"
	"math"
	"math/rand/v2"

	lua "github.com/yuin/gopher-lua"
)

// openMath sets the math library. Its functions are Go's, as gopher-lua's are, whose modf(1/0) has a fraction of NaN, whose
// log10(1000) is below 3, whose huge is finite, whose random(0) is a Go panic and whose randomseed has no effect.
func openMath(L *lua.LState, l *library) {
	t := L.NewTable()
	functions := map[string]function{
		"frexp":      mathFrexp,
		"ldexp":      mathLdexp,
		"max":        func(c call) int { return best(c, func(a, b float64) bool { return a > b }) },
		"min":        func(c call) int { return best(c, func(a, b float64) bool { return a < b }) },
		"modf":       mathModf,
		"random":     l.mathRandom,
		"randomseed": l.mathRandomseed,
	}
	for name, f := range map[string]func(float64) float64{
		"abs": math.Abs, "acos": math.Acos, "asin": math.Asin, "atan": math.Atan, "ceil": math.Ceil, "cos": math.Cos,
		"cosh": math.Cosh, "deg": degrees, "exp": math.Exp, "floor": math.Floor, "log": math.Log, "log10": log10,
		"rad": radians, "sin": math.Sin, "sinh": math.Sinh, "sqrt": math.Sqrt, "tan": math.Tan, "tanh": math.Tanh,
	} {
		functions[name] = func(c call) int { return c.numbers(f(c.number(1))) }
	}
	for name, f := range map[string]func(x, y float64) float64{
		"atan2": math.Atan2, "fmod": math.Mod, "pow": math.Pow,
	} {
		functions[name] = func(c call) int { return c.numbers(f(c.number(1), c.number(2))) }
	}
	register(L, t, functions)
	t.RawSetString("huge", lua.LNumber(math.Inf(1)))
	t.RawSetString("pi", lua.LNumber(math.Pi))
	L.SetGlobal("math", Shared{Name: "math", Contents: t}.Table(L))
}

func degrees(x float64) float64 { return x * 180 / math.Pi }
func radians(x float64) float64 { return x * math.Pi / 180 }

// log10 is exact for powers of ten, unlike Go's: scripts count the digits of a number with it.
func log10(x float64) float64 {
	l := math.Log10(x)
	if whole := math.Round(l); math.Pow10(int(whole)) == x {
		return whole
	}
	return l
}

func mathFrexp(c call) int {
	fraction, exponent := math.Frexp(c.number(1))
	return c.numbers(fraction, float64(exponent))
}

func mathLdexp(c call) int { return c.numbers(math.Ldexp(c.number(1), c.integer(2))) }

func mathModf(c call) int {
	f := c.number(1)
	if math.IsInf(f, 0) {
		return c.numbers(f, math.Copysign(0, f))
	}
	whole, fraction := math.Modf(f)
	return c.numbers(whole, fraction)
}

// best pushes the best of the arguments.
func best(c call, better func(a, b float64) bool) int {
	found := c.number(1)
	for n := 2; n <= c.L.GetTop(); n++ {
		if f := c.number(n); better(f, found) {
			found = f
		}
	}
	return c.numbers(found)
}

// newRandom returns a generator whose numbers cannot be predicted, for prize draws. It is used until a script calls
// randomseed.
func newRandom() *rand.Rand {
	var seed [32]byte
	_, _ = cryptorand.Read(seed[:]) // never fails
	return rand.New(rand.NewChaCha8(seed))
}

func (l *library) mathRandomseed(c call) int {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(c.integer(1)))
	l.random = rand.New(rand.NewChaCha8(seed))
	return 0
}

func (l *library) mathRandom(c call) int {
	low, high := 1, 0
	switch c.L.GetTop() {
	case 0:
		return c.numbers(l.random.Float64())
	case 1:
		high = c.integer(1)
	case 2:
		low, high = c.integer(1), c.integer(2)
	default:
		return c.raise("wrong number of arguments")
	}
	if low > high {
		return c.argument(c.L.GetTop(), "interval is empty")
	}
	return c.numbers(float64(low + l.random.IntN(high-low+1)))
}
