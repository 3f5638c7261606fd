package config

import (
	"maps"
	"reflect"
	"slices"
)

// Change is a setting that differs between two Configs.
type Change struct {
	// Name is the name of the setting: "server.port", "app.motto".
	Name string
	// Before and After are its values, which look in JSON as in the file. Both are nil if the values may be secret: the admin key,
	// and everything in [app] and [processes.NAME].
	Before, After any
}

// Reload returns the settings of a server that runs with c and reloads next, together with what changes. Settings with the tag
// restart keep their values; needRestart lists those that differ.
func (c Config) Reload(next Config) (merged Config, changes, needRestart []Change) {
	merged = next
	now, to := reflect.ValueOf(&c).Elem(), reflect.ValueOf(&merged).Elem()
	for _, s := range settings() {
		before, after := now.FieldByIndex(s.index), to.FieldByIndex(s.index)
		switch {
		case reflect.DeepEqual(before.Interface(), after.Interface()):
		case s.field.Tag.Get("restart") != "":
			needRestart = append(needRestart, changeOf(s.Name, before.Interface(), after.Interface()))
			after.Set(before)
		default:
			changes = append(changes, changeOf(s.Name, before.Interface(), after.Interface()))
		}
	}
	if !maps.EqualFunc(c.Processes, next.Processes, func(a, b Process) bool { return reflect.DeepEqual(a, b) }) {
		needRestart = append(needRestart, Change{Name: "processes"})
		merged.Processes = c.Processes
	}
	return merged, append(changes, appChanges(c.App, next.App)...), needRestart
}

func changeOf(name string, before, after any) Change {
	if _, secret := before.(Secret); secret {
		return Change{Name: name}
	}
	return Change{Name: name, Before: before, After: after}
}

// appChanges compares [app] by key. It shows no values: they may be secrets of other services.
func appChanges(before, after map[string]any) []Change {
	var changes []Change
	names := map[string]any{}
	maps.Copy(names, before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !reflect.DeepEqual(before[name], after[name]) { // a missing key is nil, which no value is
			changes = append(changes, Change{Name: "app." + name})
		}
	}
	return changes
}
