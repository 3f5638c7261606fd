package config

import (
	"maps"
	"reflect"
	"slices"
)

// Change is a setting that others have in another way.
type Change struct {
	// Name is the setting's: "server.port", "app.motto".
	Name string
	// Before and After are its values, which in JSON are as in the file. Both are nil where they may be secret: of a key, and of
	// what stands in [app] and [processes.NAME], nothing is told but that it has changed.
	Before, After any
}

// Reload returns the settings that a running server with these settings can take over from others, how they differ from
// these, and how those do that need a restart: they stay as they are. A field says so by the tag restart.
func (c Config) Reload(others Config) (merged Config, changes, needRestart []Change) {
	merged = others
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
	if !maps.EqualFunc(c.Processes, others.Processes, func(a, b Process) bool { return reflect.DeepEqual(a, b) }) {
		needRestart = append(needRestart, Change{Name: "processes"})
		merged.Processes = c.Processes
	}
	return merged, append(changes, appChanges(c.App, others.App)...), needRestart
}

func changeOf(name string, before, after any) Change {
	if _, secret := before.(Secret); secret {
		return Change{Name: name}
	}
	return Change{Name: name, Before: before, After: after}
}

// appChanges tells keys of [app] apart, and shows no value: those of other services may stand there.
func appChanges(before, after map[string]any) []Change {
	var changes []Change
	names := map[string]any{}
	maps.Copy(names, before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, there := before[name]
		is, stays := after[name]
		if there != stays || !reflect.DeepEqual(was, is) {
			changes = append(changes, Change{Name: "app." + name})
		}
	}
	return changes
}
