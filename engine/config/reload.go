package config

import (
	"maps"
	"reflect"
)

// Reload returns the settings that a running server with these settings can take over from others, and the names of those
// that differ and need a restart: they stay as they are. A field says so by the tag restart.
func (c Config) Reload(others Config) (merged Config, needRestart []string) {
	merged = others
	now, to := reflect.ValueOf(&c).Elem(), reflect.ValueOf(&merged).Elem()
	for _, s := range settings() {
		if s.field.Tag.Get("restart") == "" {
			continue
		}
		before, after := now.FieldByIndex(s.index), to.FieldByIndex(s.index)
		if !reflect.DeepEqual(before.Interface(), after.Interface()) {
			needRestart = append(needRestart, s.Name)
			after.Set(before)
		}
	}
	if !maps.EqualFunc(c.Processes, others.Processes, func(a, b Process) bool { return reflect.DeepEqual(a, b) }) {
		needRestart = append(needRestart, "processes")
		merged.Processes = c.Processes
	}
	return merged, needRestart
}
