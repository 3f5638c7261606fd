package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// Values of [app] may be in the environment, the environment file or files of their own. They are read with each Load and never shown.
func TestAppSecrets(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // a mounted secret may be readable
			t.Fatal(err)
		}
		return path
	}
	file := put("server.toml", `[app]
plain = "a"
token = { env = "TOKEN_KEY" }
mail = { env = "MAIL_KEY", host = "mail.example" }
certificate.public = { file = "public.pem" }
shops = [{ name = "one", key = { file = "`+put("one", "canary one\r\n")+`" }, urls = ["b"] }, { env = "SHOP" }]
number = { env = 5 }
`)
	put("public.pem", "canary line 1\nline 2\n\n")
	src := Source{
		Path: file, EnvFile: put(".env", "TOKEN_KEY=canary of the file\nSHOP='canary shop'\n"),
		Env: []string{"TOKEN_KEY=canary=of the environment", "SHOP="},
	}
	want := map[string]any{
		"plain": "a", "token": Secret("canary=of the environment"),
		"mail":        map[string]any{"env": "MAIL_KEY", "host": "mail.example"},
		"certificate": map[string]any{"public": Secret("canary line 1\nline 2\n")},
		"shops":       []any{map[string]any{"name": "one", "key": Secret("canary one"), "urls": []any{"b"}}, Secret("canary shop")},
		"number":      map[string]any{"env": int64(5)},
	}
	before := load(t, src)
	if !reflect.DeepEqual(before.App, want) {
		t.Errorf("App has not the values that it names: %v", before.App)
	}
	if shown := fmt.Sprintf("%v %+v %#v", before, before, before.App); strings.Contains(shown, "canary") {
		t.Errorf("printed settings show a secret: %s", shown)
	}
	put("one", "canary two")
	after := load(t, src)
	if _, changes, _ := before.Reload(after); !reflect.DeepEqual(changes, []Change{{Name: "app.shops"}}) {
		t.Errorf("Reload = %v, want that app.shops has changed", changes)
	}
}

// A value that cannot be found is an error with its line and without its text.
func TestAppSecretsThatAreMissing(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("empty", "\n")
	put("large", strings.Repeat("canary ", maxSecret))
	put("server.toml", `[app]
a = { env = "TOKEN_KEY" }
b.c = { file = "gone" }
d = { file = "empty" }
e = [1, { file = "large" }]
f = { file = "." }
`)
	_, err := Load(Source{Path: filepath.Join(dir, "server.toml"), Env: []string{"TOKEN_KEY="}})
	want := strings.ReplaceAll(`DIR/server.toml:2: app.a: the variable TOKEN_KEY is not set
DIR/server.toml:3: app.b.c: file DIR/gone: no such file or directory
DIR/server.toml:4: app.d: file DIR/empty: empty
DIR/server.toml:5: app.e: file DIR/large: larger than 64KiB, so this is not a secret
DIR/server.toml:6: app.f: file DIR: not a regular file`, "DIR", dir)
	if err == nil || err.Error() != want {
		t.Errorf("Load = %v\nwant %s", err, want)
	}
}
