package script

import (
	"log/slog"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/value"
)

// logFunctions are the module log: a text, and a table of fields.
func (p *Program) logFunctions() []function {
	at := func(name string, level slog.Level) function {
		return function{name, "(text: string, fields?: table)", "Logs a fixed sentence, and a table of fields, at this level.", func(L *lua.LState) int {
			text, attributes := L.CheckString(1), L.OptTable(2, nil)
			if !p.options.Log.Enabled(L.Context(), level) {
				return 0
			}
			all := []slog.Attr{
				slog.String("source", Where(L)),
				slog.String("turn", caller(L).name),
				slog.Int("generation", p.options.Generation),
			}
			p.options.Log.LogAttrs(L.Context(), level, text, append(all, p.attributes(attributes)...)...) //nolint:sloglint // the text is the script's
			return 0
		}}
	}
	return []function{
		at("debug", slog.LevelDebug),
		at("info", slog.LevelInfo),
		at("warn", slog.LevelWarn),
		at("error", slog.LevelError),
	}
}

// attributes turns a table of fields into what the log takes. What is no plain value is shown as Lua would print it.
func (p *Program) attributes(t *lua.LTable) []slog.Attr {
	var all []slog.Attr
	if t == nil {
		return all
	}
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		key := k.String()
		switch v := v.(type) {
		case lua.LString:
			all = append(all, slog.String(key, string(v)))
		case lua.LNumber:
			all = append(all, slog.Float64(key, float64(v)))
		case lua.LBool:
			all = append(all, slog.Bool(key, bool(v)))
		default:
			text, err := value.Append(nil, v, value.Limits{})
			if err != nil {
				text = []byte(v.Type().String())
			}
			all = append(all, slog.String(key, string(text)))
		}
	}
	return all
}
