package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// The DSN is a string, a variable or a file. A variable of the server takes precedence. The path of SQLite is relative to the file
// that has it.
func TestDSN(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	put("dsn", "mysql://app:canary@127.0.0.1/file\n")
	env := []string{"DATABASE_URL=postgres://app:canary@127.0.0.1/variable"}
	for _, row := range []struct {
		value string
		env   []string
		want  string
	}{
		{`"postgres://app:canary@127.0.0.1/string"`, env, "postgres://app:canary@127.0.0.1/string"},
		{`{ env = "DATABASE_URL" }`, env, "postgres://app:canary@127.0.0.1/variable"},
		{`{ file = "dsn" }`, env, "mysql://app:canary@127.0.0.1/file"},
		{`{ file = "missing" }`, []string{"SERVER_QUEUE_DSN=mysql://app:canary@127.0.0.1/server"}, "mysql://app:canary@127.0.0.1/server"},
		{`"sqlite://data/jobs.db"`, nil, "sqlite://" + filepath.Join(dir, "data", "jobs.db")},
		{`"sqlite:///data/jobs.db"`, nil, "sqlite:///data/jobs.db"},
		{`""`, []string{"SERVER_QUEUE_DSN=sqlite://jobs.db"}, "sqlite://jobs.db"},
	} {
		c := load(t, Source{Path: put("server.toml", "[queue]\ndriver = \"database\"\ndsn = "+row.value), Explicit: true, Env: row.env})
		if string(c.Queue.DSN) != row.want {
			t.Errorf("dsn = %s with %v: got %s, want %s", row.value, row.env, string(c.Queue.DSN), row.want)
		}
		if shown := fmt.Sprintf("%v %+v %#v", c, c, c.Queue); strings.Contains(shown, "canary") {
			t.Errorf("printed settings show the password: %s", shown)
		}
	}
	before := load(t, Source{Path: put("server.toml", "[queue]\ndsn = { env = \"DATABASE_URL\" }"), Env: env})
	after := load(t, Source{Path: filepath.Join(dir, "server.toml"), Env: []string{"DATABASE_URL=sqlite:///canary"}})
	if _, _, restart := before.Reload(after); !reflect.DeepEqual(restart, []Change{{Name: "queue.dsn"}}) {
		t.Errorf("Reload = %v, want that queue.dsn needs a restart, without values", restart)
	}
}

// A wrong DSN is an error that names its line and does not show it.
func TestDSNErrors(t *testing.T) {
	for value, want := range map[string]string{
		`""`:                                    `:2: queue.driver: "database" needs queue.dsn`,
		`"app:canary@tcp(127.0.0.1)/app"`:       ":3: queue.dsn: it is not the URL of a database",
		`"oracle://app:canary@127.0.0.1/app"`:   ":3: queue.dsn: it is not the URL of a database",
		`"sqlite://"`:                           ":3: queue.dsn: it is not the URL of a database",
		`"mysql://app:can%zzary@127.0.0.1/app"`: ":3: queue.dsn: it is not a valid URL",
		`{ env = "canary" }`:                    ":3: queue.dsn: the variable canary is not set",
		`{ host = "canary" }`:                   ":3: queue.dsn: it is neither a string in quotes nor a table",
		`7`:                                     ":3: queue.dsn: the value is not a string",
		`canary`:                                "the value of queue.dsn is neither a string in quotes nor",
		"\"sqlite:///a\"\nretry_after = \"2500ms\"": ":4: queue.retry_after: 2500ms is not a whole number of seconds",
		"\"sqlite:///a\"\ntable = \"jobs; \"":       `:4: queue.table: "jobs; " is not the name of a table`,
	} {
		file := filepath.Join(t.TempDir(), "server.toml")
		if err := os.WriteFile(file, []byte("[queue]\ndriver = \"database\"\ndsn = "+value), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(Source{Path: file, Explicit: true})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("dsn = %s: got %v, want %s", value, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "canary@") {
			t.Errorf("dsn = %s: the error %v shows it", value, err)
		}
	}
}
