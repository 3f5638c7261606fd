package compile

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/yuin/gopher-lua/ast"

	"perigee/engine/script/value"
)

// truth is the value of a condition, as far as it is known before the program runs.
type truth int

const (
	unknown truth = iota
	always
	never
)

func truthOf(e ast.Expr) truth {
	switch e.(type) {
	case *ast.TrueExpr, *ast.NumberExpr, *ast.StringExpr:
		return always
	case *ast.FalseExpr, *ast.NilExpr:
		return never
	}
	return unknown
}

// foldLogical evaluates "and" and "or" after a constant. The compiler would begin them with a jump, and a loop that jumps
// back to a jump continues at the wrong place: it takes the distance of that jump for the number of a label.
func foldLogical(e *ast.LogicalOpExpr) ast.Expr {
	left := truthOf(e.Lhs)
	switch {
	case left == unknown:
		return e
	case (left == always) == (e.Operator == "and"):
		return toSingle(e.Rhs)
	}
	return e.Lhs
}

// adjustMark returns the field that adjusts an expression to one value; nil for expressions that always have one.
func adjustMark(e ast.Expr) *bool {
	switch e := e.(type) {
	case *ast.FuncCallExpr:
		return &e.AdjustRet
	case *ast.Comma3Expr:
		return &e.AdjustRet
	}
	return nil
}

// toSingle adjusts an expression to one value.
func toSingle(e ast.Expr) ast.Expr {
	if mark := adjustMark(e); mark != nil {
		*mark = true
	}
	return e
}

// foldNot evaluates "not" before a constant, for foldLogical.
func foldNot(e *ast.UnaryNotOpExpr) ast.Expr {
	var result ast.Expr = &ast.TrueExpr{}
	switch truthOf(e.Expr) {
	case unknown:
		return e
	case always:
		result = &ast.FalseExpr{}
	}
	result.SetLine(e.Line())
	return result
}

// numeral rewrites a number so that the compiler reads it correctly. It would read "0010" as octal, and numbers out of range
// ("1e999", "0xffffffffffffffff") as NaN.
func (r *rewriter) numeral(e *ast.NumberExpr) {
	f, ok := numeral(e.Value)
	if !ok {
		r.fail(e.Line(), "malformed number near '%s'", e.Value)
	} else if rounds(e.Value, f) {
		r.fail(e.Line(), "the number %s would be rounded to %s: write it as a string, %q", e.Value, strconv.FormatFloat(f, 'f', 0, 64), e.Value)
	}
	e.Value = strconv.FormatFloat(f, 'g', -1, 64)
	r.countConstant('n', e.Value)
}

// rounds reports whether a number in Lua's syntax is not what its digits say: an integer beyond 2^53, or any other number beyond
// 2^52 with more digits than are kept. Nobody writes such digits, of an id for instance, to have them changed.
func rounds(text string, f float64) bool {
	if math.IsInf(f, 0) {
		return false
	}
	if digits, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		n, ok := new(big.Int).SetString(digits, 16)
		exact, _ := big.NewFloat(f).Int(nil)
		return !ok || n.Cmp(exact) != 0
	}
	return !value.Exact(text, f)
}

// numeral returns the value of a number in Lua's syntax; infinity if it is too large.
func numeral(text string) (float64, bool) {
	digits, hexadecimal := strings.CutPrefix(strings.ToLower(text), "0x")
	if hexadecimal {
		if strings.Trim(digits, "0123456789abcdef") != "" {
			return 0, false
		}
		text += "p0"
	} else if strings.Trim(digits, "0123456789.e+-") != "" {
		return 0, false
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil && value == 0 {
		return 0, false
	}
	return value, true
}
