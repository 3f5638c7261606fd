package module

import (
	"log/slog"
	"math"
	"strconv"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/logging"
	"perigee/engine/script/api"
	"perigee/engine/script/operator"
	"perigee/engine/script/value"
	"perigee/engine/wire"
)

// maxLogFields is the number of fields that a log line may have.
const maxLogFields = 32

// maxLogLines is the number of lines that scripts may log per second. Without a limit, one turn could write 100 MB.
const maxLogLines = 1000

// Log writes the log lines and the printed lines of one program. It is owned by the loop.
type Log struct {
	log        *slog.Logger
	generation int
	now        func() time.Time
	throttle   logging.Throttle
}

// NewLog returns the log of a generation of scripts.
func NewLog(log *slog.Logger, generation int, now func() time.Time) *Log {
	return &Log{log: log, generation: generation, now: now, throttle: logging.Throttle{Limit: maxLogLines}}
}

// Print logs a line that a script has printed.
func (l *Log) Print(text string) {
	if l.allows("print", "") {
		l.log.Info("script: print", "text", clip(text), "generation", l.generation)
	}
}

// allows reports whether one more line may be logged. It logs when it begins to suppress lines and, once lines are logged again,
// how many were suppressed.
func (l *Log) allows(turn, source string) bool {
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

// Module is the module log.
func (l *Log) Module() api.Module {
	at := func(name string, level slog.Level) api.Function {
		doc := "Logs a fixed sentence and a table of fields at this level, with the place in the script. Fields that are tables are " +
			"shown as JSON. Values of the names authorization, cookie and cookies are redacted. A line shows 4 KiB of each text at most, and scripts may log 1,000 lines a second; the rest is dropped."
		return api.Function{Name: name, Signature: "(text: string, fields?: table)", Doc: doc, Run: func(L *lua.LState) int {
			text, attributes := L.CheckString(1), L.OptTable(2, nil)
			if !l.log.Enabled(L.Context(), level) {
				return 0
			}
			turn, source := api.Caller(L).Name, api.CallSite(L)
			if !l.allows(turn, source) {
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

// attributesOf returns a table of fields as attributes. Tables are shown as JSON; other values that have no JSON form, by their
// type.
func attributesOf(t *lua.LTable) []slog.Attr {
	var all []slog.Attr
	if t == nil {
		return all
	}
	omitted := 0
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		if len(all) == maxLogFields {
			omitted++
			continue
		}
		key := clip(fieldName(k))
		if wire.IsSecretHeader(key) {
			all = append(all, slog.String(key, "[redacted]"))
			continue
		}
		switch v := v.(type) {
		case lua.LString:
			all = append(all, slog.String(key, clip(string(v))))
		case lua.LNumber:
			all = append(all, number(key, float64(v)))
		case lua.LBool:
			all = append(all, slog.Bool(key, bool(v)))
		default:
			text, err := value.Append(nil, v, value.Limits{})
			if err != nil {
				text = []byte(v.Type().String())
			} else if v.Type() == lua.LTTable {
				text = wire.RedactHeaders(text)
			}
			all = append(all, slog.String(key, clip(string(text))))
		}
	}
	if omitted > 0 {
		all = append(all, slog.Int("more_fields", omitted))
	}
	return all
}

// fieldName returns the name of a field, whose key may be any value.
func fieldName(key lua.LValue) string {
	if lua.LVCanConvToString(key) {
		return operator.TextOf(key)
	}
	return key.String()
}

// number returns a number as a script sees it: whole numbers in full, fractions with 14 digits.
func number(key string, f float64) slog.Attr {
	text := operator.Text(f)
	if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
		return slog.Int64(key, whole)
	}
	if shown, err := strconv.ParseFloat(text, 64); err == nil && !math.IsInf(f, 0) && f == f {
		return slog.Float64(key, shown)
	}
	return slog.String(key, text)
}

// clip shortens a text for the log.
func clip(text string) string { return logging.Clip(text, logging.MaxValue) }
