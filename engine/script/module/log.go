package module

import (
	"log/slog"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/logging"
	"perigee/engine/script/api"
	"perigee/engine/script/value"
)

// maxLogFields is how many fields of a table a line of the log has: more is data, not a line.
const maxLogFields = 32

// Log is the module log: a text, and a table of fields. Lines go to log and name the generation.
func Log(log *slog.Logger, generation int) api.Module {
	at := func(name string, level slog.Level) api.Function {
		return api.Function{Name: name, Signature: "(text: string, fields?: table)", Doc: "Logs a fixed sentence, and a table of fields, at this level.", Run: func(L *lua.LState) int {
			text, attributes := L.CheckString(1), L.OptTable(2, nil)
			if !log.Enabled(L.Context(), level) {
				return 0
			}
			all := []slog.Attr{
				slog.String("source", api.Where(L)),
				slog.String("turn", api.Caller(L).Name),
				slog.Int("generation", generation),
			}
			log.LogAttrs(L.Context(), level, clip(text), append(all, attributesOf(attributes)...)...) //nolint:sloglint // the text is the script's
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
