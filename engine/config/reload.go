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
	// and everything in [app], [keys.NAME] and [processes.NAME].
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
	changes = append(changes, namedChanges("keys.", c.Keys, next.Keys)...)
	return merged, append(changes, namedChanges("app.", c.App, next.App)...), needRestart
}

func changeOf(name string, before, after any) Change {
	if _, secret := before.(Secret); secret {
		return Change{Name: name}
	}
	if address, isText := before.(string); isText && name == "queue.address" {
		before, after = withoutPassword(address), withoutPassword(after.(string))
	}
	return Change{Name: name, Before: before, After: after}
}

// namedChanges compares the entries of a section. It shows no values: they may be secrets of other services.
func namedChanges[V any](section string, before, after map[string]V) []Change {
	var changes []Change
	names := map[string]V{}
	maps.Copy(names, before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, existed := before[name]
		is, exists := after[name]
		if existed != exists || !reflect.DeepEqual(was, is) {
			changes = append(changes, Change{Name: section + name})
		}
	}
	return changes
}
