package module

import (
	"log/slog"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/logging"
	"perigee/engine/script/api"
	"perigee/engine/script/value"
)

// maxLogFields is how many fields of a table a line of the log has: more is data, not a line.
const maxLogFields = 32

// maxLogLines is how many lines scripts may log a second, more than anybody reads: one turn could write a hundred megabytes.
const maxLogLines = 1000

// Lines are what the scripts of one program log and print. They belong to the loop.
type Lines struct {
	log        *slog.Logger
	generation int
	now        func() time.Time
	throttle   logging.Throttle
}

// NewLines returns where scripts log to; lines name the generation.
func NewLines(log *slog.Logger, generation int, now func() time.Time) *Lines {
	return &Lines{log: log, generation: generation, now: now, throttle: logging.Throttle{Limit: maxLogLines}}
}

// Print logs a line that was printed.
func (l *Lines) Print(text string) {
	if l.admits("print", "") {
		l.log.Info("script: print", "text", clip(text), "generation", l.generation)
	}
}

// admits tells whether one more line may be logged. What is left out is said when it begins, and how much it was as soon as
// lines are taken again.
func (l *Lines) admits(turn, source string) bool {
	line := l.throttle.Allow("", l.now())
	if line.Suppressed > 0 {
		l.log.Warn("script: log lines were suppressed", "lines", line.Suppressed, "generation", l.generation)
	}
	if line.FirstSuppressed {
		l.log.Warn("script: too many log lines in a second, suppressing the rest", "limit", maxLogLines, "turn", turn,
			"source", source, "generation", l.generation)
	}
	return line.Allowed
}

// Module is the module log: a text, and a table of fields.
func (l *Lines) Module() api.Module {
	at := func(name string, level slog.Level) api.Function {
		return api.Function{Name: name, Signature: "(text: string, fields?: table)", Doc: "Logs a fixed sentence, and a table of fields, at this level.", Run: func(L *lua.LState) int {
			text, attributes := L.CheckString(1), L.OptTable(2, nil)
			if !l.log.Enabled(L.Context(), level) {
				return 0
			}
			turn, source := api.Caller(L).Name, api.Where(L)
			if !l.admits(turn, source) {
				return 0
			}
			all := []slog.Attr{
				slog.String("source", source),
				slog.String("turn", turn),
				slog.Int("generation", l.generation),
			}
			l.log.LogAttrs(L.Context(), level, clip(text), append(all, attributesOf(attributes)...)...) //nolint:sloglint // the text is the script's
			return 0
		}}
	}
	return api.Module{Name: "log", Doc: "The log of the server.", Functions: []api.Function{
		at("debug", slog.LevelDebug),
		at("info", slog.LevelInfo),
		at("warn", slog.LevelWarn),
		at("error", slog.LevelError),
	}}
}

// attributesOf turns a table of fields into what the log takes. What is no plain value is shown as Lua would print it.
func attributesOf(t *lua.LTable) []slog.Attr {
	var all []slog.Attr
	if t == nil {
		return all
	}
	left := 0
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		if len(all) == maxLogFields {
			left++
			continue
		}
		key := clip(k.String())
		switch v := v.(type) {
		case lua.LString:
			all = append(all, slog.String(key, clip(string(v))))
		case lua.LNumber:
			all = append(all, slog.Float64(key, float64(v)))
		case lua.LBool:
			all = append(all, slog.Bool(key, bool(v)))
		default:
			text, err := value.Append(nil, v, value.Limits{})
			if err != nil {
				text = []byte(v.Type().String())
			}
			all = append(all, slog.String(key, clip(string(text))))
		}
	}
	if left > 0 {
		all = append(all, slog.Int("more_fields", left))
	}
	return all
}

// clip returns a text as far as the log shows it.
func clip(text string) string { return logging.Clip(text, logging.MaxValue) }
