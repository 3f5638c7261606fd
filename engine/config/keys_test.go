package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// value returns the setting's value in a Config.
func (s setting) value(c Config) any { return reflect.ValueOf(c).FieldByIndex(s.index).Interface() }

// Variables and flags have the expected names, and no two settings share one.
func TestKeys(t *testing.T) {
	want := map[string][2]string{
		"server.address":         {"SERVER_ADDRESS", "address"},
		"server.port":            {"SERVER_PORT", "port"},
		"server.max_connections": {"SERVER_MAX_CONNECTIONS", "max-connections"},
		"server.key":             {"SERVER_KEY", "key"},
		"server.key_file":        {"SERVER_KEY_FILE", "key-file"},
		"queue.name":             {"SERVER_QUEUE", "queue-name"},
		"queue.driver":           {"SERVER_QUEUE_DRIVER", "queue-driver"},
		"queue.address":          {"SERVER_QUEUE_ADDRESS", "queue-address"},
		"lua.manager":            {"SERVER_LUA_MANAGER", "lua-manager"},
		"limits.read_limit":      {"SERVER_LIMITS_READ_LIMIT", "limits-read-limit"},
	}
	seen := map[string]string{}
	for _, key := range Keys() {
		if names, ok := want[key.Name]; ok && (key.Env != names[0] || key.Flag != names[1]) {
			t.Errorf("Keys: %s has %s and --%s, want %s and --%s", key.Name, key.Env, key.Flag, names[0], names[1])
		}
		delete(want, key.Name)
		for _, name := range []string{key.Env, "--" + key.Flag} {
			if other := seen[name]; other != "" {
				t.Errorf("Keys: %s is used by %s and %s, want one", name, other, key.Name)
			}
			seen[name] = key.Name
		}
	}
	if len(want) != 0 {
		t.Errorf("Keys lacks %v", want)
	}
	if key := Keys()[1]; key.Default != "8080" || !strings.HasPrefix(key.Usage, "TCP port") {
		t.Errorf("Keys()[1] = %+v, want the port with its default and sentence", key)
	}
}

// Every setting has a description, a range that can be parsed, and a default that passes its checks.
func TestSettingTags(t *testing.T) {
	for _, s := range settings() {
		if !strings.HasSuffix(s.Usage, ".") || strings.Contains(s.Usage, "\n") {
			t.Errorf("%s: doc %q, want a sentence", s.Name, s.Usage)
		}
		if bounds := s.field.Tag.Get("range"); bounds != "" {
			least, most := s.bounds()
			if strings.Count(bounds, "..") != 1 || least == nil || most == nil || number(least) >= number(most) {
				t.Errorf("%s: range %q, want two values in order", s.Name, bounds)
			}
		} else if slices.Contains([]string{"int", "Duration", "Size"}, s.field.Type.Name()) {
			t.Errorf("%s has no range", s.Name)
		}
		value := s.value(Default())
		if err := s.check(value); err != nil {
			t.Errorf("%s: check(default %v) = %v, want nil", s.Name, value, err)
		}
		if s.isMap() {
			continue
		}
		if got, err := s.parseText(s.Default); err != nil || !reflect.DeepEqual(got, value) {
			t.Errorf("%s: parseText(%q) = %#v, %v, want the default %#v", s.Name, s.Default, got, err, value)
		}
	}
	l := newLoader()
	if l.checkConsistency(); l.errs.join() != nil {
		t.Errorf("checkConsistency of the defaults: %v, want no error", l.errs.join())
	}
}

// There is a warning for a variable that looks like a misspelt setting, and for no other.
func TestWarnings(t *testing.T) {
	c := load(t, Source{Env: []string{
		"SERVER_PROT=1", "SERVER_MAX_CONECTIONS=5", "SERVER_NAME=web1", "SERVER_SOFTWARE=x", "SERVER_ADMIN=a@b", "SERVER_LUA_MANAGERS=x",
		"SERVER_QUEUE_NAME=x", "SERVER_SERVER_PORT=1", "SERVR_PORT=1", "SERVER_PRT=", "SERVER_", "SERVER_=1", "HOME=/root", "=x",
	}})
	want := []string{
		"SERVER_LUA_MANAGERS is not a setting; did you mean SERVER_LUA_MANAGER?",
		"SERVER_MAX_CONECTIONS is not a setting; did you mean SERVER_MAX_CONNECTIONS?",
		"SERVER_PROT is not a setting; did you mean SERVER_PORT?",
		"SERVER_QUEUE_NAME is not a setting; did you mean SERVER_QUEUE?",
		"SERVER_SERVER_PORT is not a setting; did you mean SERVER_PORT?",
	}
	if !slices.Equal(c.Warnings, want) {
		t.Errorf("Warnings = %q, want %q", c.Warnings, want)
	}
}

// There is a warning if the state is saved and jobs are taken, but jobs do not wait for the save.
func TestWarningOfLostJobs(t *testing.T) {
	for _, row := range []struct {
		text string
		want bool
	}{
		{`[state]` + "\n" + `file = "s.json"`, true},
		{`[state]` + "\n" + `file = "s.json"` + "\n" + `sync = "interval"` + "\n" + `[queue]` + "\n" + `driver = "memory"`, true},
		{`[state]` + "\n" + `file = "s.json"` + "\n" + `sync = "job"`, false},
		{`[state]` + "\n" + `file = "s.json"` + "\n" + `[queue]` + "\n" + `driver = "off"`, false},
		{`[queue]` + "\n" + `driver = "beanstalkd"`, false},
	} {
		file := filepath.Join(t.TempDir(), "server.toml")
		if err := os.WriteFile(file, []byte(row.text), 0o600); err != nil {
			t.Fatal(err)
		}
		c := load(t, Source{Path: file})
		if got := len(c.Warnings) == 1 && strings.HasPrefix(c.Warnings[0], `state.sync is "interval": a crash undoes`) &&
			strings.Contains(c.Warnings[0], " in the last 10s,"); got != row.want || len(c.Warnings) > 1 {
			t.Errorf("Warnings of %q = %q, want one: %t", row.text, c.Warnings, row.want)
		}
	}
}

// The distance of two words is the number of letters to change, add or remove.
func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"port", "port", 0}, {"prot", "port", 2}, {"por", "port", 1}, {"", "key", 3}, {"kitten", "sitting", 3}} {
		if got, back := Distance(test.a, test.b), Distance(test.b, test.a); got != test.want || back != test.want {
			t.Errorf("Distance(%q, %q) = %d, back %d, want %d", test.a, test.b, got, back, test.want)
		}
	}
}

// literal writes a value as TOML.
func literal(value any) string {
	switch value := value.(type) {
	case int, bool:
		return fmt.Sprint(value)
	case []string:
		quoted := make([]string, len(value))
		for i, entry := range value {
			quoted[i] = fmt.Sprintf("%q", entry)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	default:
		return fmt.Sprintf("%q", format(value))
	}
}

// The shipped server.toml lists every setting and nothing else, in the order of Config, each with its default and the
// description that it has in Go and on the command line.
func TestServerTOML(t *testing.T) {
	text, err := os.ReadFile("../../server.toml")
	if err != nil {
		t.Fatal(err)
	}
	var got, want, comment []string
	section := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "# "):
			comment = append(comment, strings.TrimPrefix(line, "# "))
			continue
		case strings.HasPrefix(line, "["):
			section = strings.Trim(line, "[]")
			if len(comment) == 0 {
				t.Errorf("section [%s] has no comment", section)
			}
			if section == "queue.map" || section == "app" {
				got = append(got, section)
			}
		case strings.Contains(line, " = "):
			got = append(got, section+"."+line+" # "+strings.Join(comment, " "))
		}
		comment = nil
	}
	defaults := Default()
	for _, s := range settings() {
		if s.isMap() {
			want = append(want, s.Name)
			continue
		}
		value := literal(s.value(defaults))
		want = append(want, fmt.Sprintf("%s = %s # %s Default %s.", s.Name, value, s.Usage, value))
	}
	want = append(want, "app")
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("server.toml, entry %d\n got %s\nwant %s", i, strings.Join(got[min(i, len(got)):min(i+1, len(got))], ""),
				strings.Join(want[min(i, len(want)):min(i+1, len(want))], ""))
		}
	}

	c := load(t, Source{Path: "../../server.toml", Explicit: true})
	defaults.Path, defaults.Lua.Path = "../../server.toml", "../../scripts"
	if !reflect.DeepEqual(c, defaults) {
		t.Errorf("Load(server.toml) = %+v\nwant %+v", c, defaults)
	}
}
