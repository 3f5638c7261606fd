package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"perigee/engine/auth"
	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/script"
	"perigee/engine/spec"
	"perigee/engine/testkit"
)

// A new application passes check and its own specs, and is complete.
func TestInit(t *testing.T) {
	t.Chdir(t.TempDir())
	code, stdout, stderr := perigee(t, nil, "init", "new/shop")
	if code != 0 || stderr != "" || !strings.Contains(stdout, "password is in new/shop/key\n") {
		t.Fatalf("init = %d, %q, %q, want a new application, and where its password is", code, stdout, stderr)
	}
	for _, name := range []string{
		".gitignore", ".luacheckrc", ".luarc.json", "README.md", "server.toml", "scripts/app/init.lua",
		"scripts/app/public/app.js", "scripts/app/public/index.html", "scripts/app/public/style.css", "types/server.lua",
	} {
		if _, err := os.Stat(filepath.Join("new/shop", name)); err != nil {
			t.Errorf("init wrote no %s: %v", name, err)
		}
	}
	if types, err := os.ReadFile("new/shop/types/perigee.lua"); err != nil || string(types) != script.Types(spec.Description()) {
		t.Errorf("types/perigee.lua: %v, or not what perigee types prints", err)
	}
	t.Chdir("new/shop")
	if ignored, err := os.ReadFile(".gitignore"); err != nil || !strings.Contains(string(ignored), "\n/key\n") {
		t.Errorf(".gitignore has %q, %v, want the key in it", ignored, err)
	}
	code, stdout, stderr = perigee(t, nil, "check")
	for _, row := range []string{`Press +none +-`, `Rename +client +connection +yes`, `Reset +admin`, `ok: `} {
		if !regexp.MustCompile(row).MatchString(stdout) || code != 0 {
			t.Errorf("check of a new application = %d, %q, %q, want %s", code, stdout, stderr, row)
		}
	}
	code, stdout, stderr = perigee(t, nil, "test")
	if code != 0 || !strings.HasSuffix(stdout, " passed, 0 failed\n") {
		t.Errorf("test of a new application = %d, %q, %q, want all specs passed", code, stdout, stderr)
	}
}

// Each new application has a key of its own, which is strong and which only its owner can read.
func TestInitKey(t *testing.T) {
	t.Chdir(t.TempDir())
	var keys []string
	for _, dir := range []string{"one", "other"} {
		if code, _, stderr := perigee(t, nil, "init", dir); code != 0 {
			t.Fatalf("init = %d, %q", code, stderr)
		}
		file := filepath.Join(dir, keyFile)
		key, err := auth.ReadKeyFile(file, false)
		if err != nil || auth.NewKey(key).IsDefault() {
			t.Errorf("the key file has %d bytes, %v, want a strong key", len(key), err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("Stat(%s) = %v, %v, want mode 0600", file, info, err)
		}
		keys = append(keys, key)
	}
	if keys[0] == keys[1] {
		t.Error("two applications have the same key")
	}
}

// luacheck accepts a new application with the settings that init has written, and finds a misspelt global and function.
func TestInitLuacheck(t *testing.T) {
	luacheck := testkit.Program(t, "luacheck")
	t.Chdir(t.TempDir())
	if code, _, stderr := perigee(t, nil, "init", "shop"); code != 0 {
		t.Fatalf("init = %d, %q, want a new application", code, stderr)
	}
	run := func() (string, error) {
		cmd := exec.Command(luacheck, "--no-color", ".")
		cmd.Dir = "shop"
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run(); err != nil {
		t.Errorf("luacheck of a new application = %v, %s, want no warning", err, out)
	}
	if err := os.WriteFile("shop/scripts/wrong.lua", []byte("prnt(string.fromat('x'), table.unpack({}))\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := run()
	for _, want := range []string{"undefined variable 'prnt'", "undefined field 'fromat' of global 'string'", "undefined field 'unpack' of global 'table'"} {
		if !strings.Contains(out, want) {
			t.Errorf("luacheck of a wrong file = %s, want %s", out, want)
		}
	}
}

// init writes into an empty directory and overwrites nothing.
func TestInitOverwritesNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"empty", "full"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("full/mine", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	rows := []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{"init", "empty"}, 0, "^$"},
		{[]string{"init", "empty"}, 1, "empty is not empty; nothing was written"},
		{[]string{"init", "full"}, 1, "full is not empty; nothing was written"},
		{[]string{"init", "full/mine"}, 1, "full/mine is not a directory; nothing was written"},
		{[]string{"init"}, 2, "perigee init DIR"},
		{[]string{"init", "a", "b"}, 2, `unexpected argument "b"`},
	}
	for _, row := range rows {
		code, _, stderr := perigee(t, nil, row.args...)
		if code != row.code || !regexp.MustCompile(row.stderr).MatchString(stderr) {
			t.Errorf("%q = %d, %q, want %d, %s", row.args, code, stderr, row.code, row.stderr)
		}
	}
	if found, err := os.ReadDir("full"); err != nil || len(found) != 1 {
		t.Errorf("full has %v, %v, want only what was in it", found, err)
	}
}

// The messages of a new application work for clients that may send them.
func TestInitServes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shop")
	if code, _, stderr := perigee(t, nil, "init", dir); code != 0 {
		t.Fatalf("init = %d, %q", code, stderr)
	}
	settings, err := config.Load(config.Source{Path: filepath.Join(dir, "server.toml"), Explicit: true})
	if err != nil {
		t.Fatal(err)
	}
	server := enginetest.Start(t, func(c *config.Config) {
		*c = settings
		c.Server.Port = 0
	})
	if !server.Status.HasPage {
		t.Error("the new application has no page")
	}
	presses := func(c *enginetest.Client, want float64) {
		t.Helper()
		if frame := c.Expect("UpdateButton"); frame["presses"] != want {
			t.Errorf("UpdateButton = %v, want %v presses", frame, want)
		}
	}
	alice, bob := server.Dial(t, "alice"), server.Dial(t, "bob")
	presses(alice, 0)
	presses(bob, 0)
	named := func(name string) func(f enginetest.Frame) bool {
		return func(f enginetest.Frame) bool {
			all, _ := f["connections"].(map[string]any)
			row, _ := all[alice.UUID].(map[string]any)
			return row["name"] == name
		}
	}

	alice.Send(`{"name":"Press"}`)
	presses(alice, 1)
	presses(bob, 1)

	alice.Send(`{"name":"Rename","connection":"` + alice.UUID + `","nickname":"Alice"}`)
	bob.Eventually("UpdateConnections", named("Alice"))
	alice.Send(`{"name":"Rename","connection":"` + alice.UUID + `"}`)
	if frame := alice.Expect("MessageException"); frame["exception"] != "InvalidFields" {
		t.Errorf("Rename without a nickname = %v, want InvalidFields", frame)
	}
	bob.Send(`{"name":"Rename","connection":"` + alice.UUID + `","nickname":"Mallory"}`)
	bob.Expect("PromptForAuthentication")

	bob.Send(`{"name":"Reset"}`)
	bob.Expect("PromptForAuthentication")
	bob.Send(`{"name":"Authenticate","password":"password"}`)
	bob.Expect("PromptForAuthentication")
	key, err := auth.ReadKeyFile(filepath.Join(dir, keyFile), false)
	if err != nil {
		t.Fatal(err)
	}
	bob.Send(`{"name":"Authenticate","password":"` + key + `"}`)
	bob.Expect("ConnectionAuthenticated")
	bob.Send(`{"name":"Reset"}`)
	presses(bob, 0)
	presses(alice, 0)
	bob.Send(`{"name":"Rename","connection":"` + alice.UUID + `","nickname":"Alison"}`)
	alice.Eventually("UpdateConnections", named("Alison"))
	if err := server.Stop(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "state.json")); err != nil {
		t.Errorf("no state was saved: %v", err)
	}
}
