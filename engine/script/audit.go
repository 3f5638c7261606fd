package script

import (
	"fmt"
	"log/slog"
	"strings"

	"perigee/engine/script/api"
	"perigee/engine/script/store"
)

// ranFunction returns what the machine calls when code of the scripts has run; nil without an audit.
func ranFunction(a *store.Audit) func(call any, sliceEnds bool) {
	if a == nil {
		return nil
	}
	return func(call any, sliceEnds bool) {
		if c, ok := call.(*api.Call); ok {
			h := store.Handler{Name: c.Name}
			h.File, h.Line = c.Defined()
			a.Ran(h)
		}
		if sliceEnds {
			a.Continue()
		}
	}
}

// LogFinding returns a function that logs a value that cannot be saved, with the handler that has stored it.
func LogFinding(log *slog.Logger) func(f store.Finding) {
	return func(f store.Finding) {
		var handlers []string
		for _, h := range f.Handlers {
			if h.File == "" {
				handlers = append(handlers, h.Name)
			} else {
				handlers = append(handlers, fmt.Sprintf("%s (%s:%d)", h.Name, h.File, h.Line))
			}
		}
		if f.Others {
			handlers = append(handlers, "others")
		}
		log.Error("script: a value in server.state cannot be saved", "error", f.Err, "stored_by", strings.Join(handlers, " or "))
	}
}
