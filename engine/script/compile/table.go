package compile

import (
	"fmt"

	"github.com/yuin/gopher-lua/ast"
)

// table rewrites a constructor. The compiler takes a keyed last field with a call ("{1, 2, x = f()}") for a last item with
// a call, and stores the result as an item, too: such values are adjusted to one. It stores items in groups of 50, and
//   - stores a full group again at every keyed field that directly follows it, when the registers have other values;
//   - stores the results of a last call that directly follows a full group over the first items of that group;
//   - loses the number of the group beyond the 511th.
//
// If there is a keyed field after a full group, or a group beyond the 511th, the items from the last of the full group on
// get their index as a key. That is not possible before a last call: there keyed fields move before the last item of the
// full group instead, which only changes the order in which these values are computed. The results of a last call are
// joined with the last item of the full group.
func (r *rewriter) table(e *ast.TableExpr) {
	items, interrupted := 0, 0 // interrupted: number of items up to the first keyed field after a full group
	for _, field := range e.Fields {
		if field.Key == nil {
			items++
			field.Value = r.expression(field.Value)
			continue
		}
		if interrupted == 0 && items%itemsPerFlush == 0 {
			interrupted = items
		}
		field.Key = r.expression(field.Key)
		field.Value = toSingle(r.expression(field.Value))
	}
	if r.problem != nil || items < itemsPerFlush {
		return
	}
	last := e.Fields[len(e.Fields)-1]
	switch mark := adjustMark(last.Value); {
	case last.Key != nil || mark == nil || *mark:
		if interrupted > 0 {
			r.addKeys(e.Fields, interrupted)
		} else if items > maxArrayItems {
			r.addKeys(e.Fields, maxArrayItems)
		}
	case items-1 > maxArrayItems:
		r.fail(e.Line(), "more than %d items before a call in a table constructor", maxArrayItems)
	default:
		if interrupted > 0 {
			e.Fields = moveKeyed(e.Fields)
		}
		if (items-1)%itemsPerFlush == 0 {
			e.Fields = joinLast(e.Fields)
		}
	}
}

// addKeys gives a key to each item from the given one on.
func (r *rewriter) addKeys(fields []*ast.Field, from int) {
	items := 0
	for _, field := range fields {
		if field.Key != nil {
			continue
		}
		items++
		if items >= from {
			key := at(field.Value.Line(), &ast.NumberExpr{Value: fmt.Sprint(items)})
			r.numeral(key)
			field.Key = key
		}
	}
}

// moveKeyed moves keyed fields that follow a full group before its last item.
func moveKeyed(fields []*ast.Field) []*ast.Field {
	moved := make([]*ast.Field, 0, len(fields))
	items, full := 0, 0
	for _, field := range fields {
		switch {
		case field.Key == nil:
			items++
			full = len(moved)
			moved = append(moved, field)
		case items > 0 && items%itemsPerFlush == 0:
			last := moved[full]
			moved[full] = field
			moved = append(moved, last)
			full++
		default:
			moved = append(moved, field)
		}
	}
	return moved
}

// joinLast makes the last two items one call with the results of both: (function(...) return ... end)(item, call())
func joinLast(fields []*ast.Field) []*ast.Field {
	item, call := fields[len(fields)-2], fields[len(fields)-1]
	line := item.Value.Line()
	all := at(line, &ast.Comma3Expr{})
	result := at(line, &ast.ReturnStmt{Exprs: []ast.Expr{all}})
	join := at(line, &ast.FunctionExpr{ParList: &ast.ParList{HasVargs: true}, Stmts: []ast.Stmt{result}})
	join.SetLastLine(line)
	both := at(line, &ast.FuncCallExpr{Func: join, Args: []ast.Expr{item.Value, call.Value}})
	return append(fields[:len(fields)-2], &ast.Field{Value: both})
}
