package script

import (
	"log/slog"
	"strings"

	"perigee/engine/script/api"
	"perigee/engine/script/store"
)

// noteRun is called by the machine when code of the scripts has run. It looks for values that cannot be saved.
func (p *Program) noteRun(call any, sliceEnds bool) {
	h := store.Handler{Name: "?"}
	if c, ok := call.(*api.Call); ok {
		h.Name = c.Name
		h.File, h.Line = c.Defined()
	}
	p.clients.CheckData(h, sliceEnds)
	if a := p.options.Audit; a != nil {
		a.NoteRun(h)
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
			handlers = append(handlers, h.String())
		}
		if f.Others {
			handlers = append(handlers, "others")
		}
		log.Error("script: a value in server.state cannot be saved", "error", f.Err, "stored_by", strings.Join(handlers, " or "))
	}
}
