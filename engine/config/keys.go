package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Key describes a setting that environment variables and flags can set.
type Key struct {
	Name    string // "server.port"
	Env     string // "SERVER_PORT"
	Flag    string // "port", "limits-read-limit"; without leading dashes
	Usage   string // sentences with the unit, as in server.toml
	Default string // as in a variable or a flag; lists with commas
}

// Keys returns all keys in the order of Config. The tables [queue.map], [processes.NAME] and [app] are missing: only the file can
// hold them.
func Keys() []Key {
	var keys []Key
	for _, s := range settings() {
		if !s.isMap() {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// setting is a field of a section.
type setting struct {
	Key
	section string // "server"
	key     string // "port"
	field   reflect.StructField
	index   []int // of the field in Config
}

// settings returns the fields of all sections. Their tags are toml (the key), doc (its description), env (the variable, if it is
// irregular), and for checks of the value range (A..B, inclusive), one (allowed words) and check (a rule of checkText). restart
// marks settings that a running server cannot change; needs says what a file or directory must be like.
func settings() []setting {
	var all []setting
	defaults := reflect.ValueOf(Default())
	flag := strings.NewReplacer(".", "-", "_", "-")
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
				s.Env = strings.Replace(s.regularEnv(), envPrefix+envPrefix, envPrefix, 1)
			}
			s.Flag = flag.Replace(strings.TrimPrefix(s.Name, "server."))
			all = append(all, s)
		}
	}
	return all
}

// isSecret reports whether the value must not be shown.
func (s setting) isSecret() bool { _, secret := s.zero().(Secret); return secret }

// regularEnv returns the variable by the rule SERVER_<SECTION>_<KEY>.
func (s setting) regularEnv() string { return envPrefix + strings.ToUpper(s.section+"_"+s.key) }

// isMap reports whether the setting is a table, which only the file can hold.
func (s setting) isMap() bool { return s.field.Type.Kind() == reflect.Map }

// store stores a value of the field's type in a Config.
func (s setting) store(c *Config, value any) {
	reflect.ValueOf(c).Elem().FieldByIndex(s.index).Set(reflect.ValueOf(value))
}

// format formats a value as in a variable. It does not hide secrets: only defaults are formatted.
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
