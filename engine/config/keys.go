package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Key describes one setting that the environment and flags can set.
type Key struct {
	Name    string // "server.port"
	Env     string // "SERVER_PORT"
	Flag    string // "port", "limits-read-limit"; without leading dashes
	Usage   string // one sentence with the unit, as it stands in server.toml
	Default string // as the environment or a flag would write it; lists with commas
}

// Keys returns all of them in the order of Config. The tables [queue.map], [processes.NAME] and [app] are not among
// them: they come from the file only.
func Keys() []Key {
	var keys []Key
	for _, s := range settings() {
		if !s.isMap() {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// setting is one field of one section.
type setting struct {
	Key
	section string // "server"
	key     string // "port"
	field   reflect.StructField
	index   []int // of the field in Config
}

// settings reads the sections' fields with their tags: toml (the key), doc (one sentence), env (where the name of the
// variable is not the regular one), and for the value one of range (A..B, both included), one (of these words) and check
// (a rule of setting.check). restart marks what a running server cannot change; needs is what the system must find at a path.
func settings() []setting {
	var all []setting
	defaults := reflect.ValueOf(Default())
	for i := range defaults.NumField() {
		section := defaults.Type().Field(i)
		if section.Type.Kind() != reflect.Struct {
			continue
		}
		for j := range section.Type.NumField() {
			field := section.Type.Field(j)
			s := setting{
				section: section.Tag.Get("toml"), key: field.Tag.Get("toml"),
				field: field, index: []int{i, j},
			}
			s.Key = Key{
				Name:    s.section + "." + s.key,
				Env:     field.Tag.Get("env"),
				Usage:   field.Tag.Get("doc"),
				Default: format(defaults.Field(i).Field(j).Interface()),
			}
			if s.Env == "" {
				s.Env = strings.Replace(s.regularEnv(), "SERVER_SERVER_", "SERVER_", 1)
			}
			s.Flag = strings.NewReplacer(".", "-", "_", "-").Replace(strings.TrimPrefix(s.Name, "server."))
			all = append(all, s)
		}
	}
	return all
}

// regularEnv is the variable's name by the rule SERVER_<SECTION>_<KEY>.
func (s setting) regularEnv() string { return "SERVER_" + strings.ToUpper(s.section+"_"+s.key) }

// isMap tells whether the setting is a table of its own, which only the file can hold.
func (s setting) isMap() bool { return s.field.Type.Kind() == reflect.Map }

// store puts a value of the field's type into a Config.
func (s setting) store(c *Config, value any) {
	reflect.ValueOf(c).Elem().FieldByIndex(s.index).Set(reflect.ValueOf(value))
}

// format writes a value as the environment would. The key is written too: only defaults come here.
func format(value any) string {
	switch value := value.(type) {
	case []string:
		return strings.Join(value, ",")
	case map[string]string:
		return ""
	case Secret:
		return string(value)
	default:
		return fmt.Sprint(value)
	}
}
