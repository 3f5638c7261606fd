package config

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An environment file is read as Laravel reads its .env.
func TestParseEnvFile(t *testing.T) {
	for text, want := range map[string]string{
		`A=plain`:                     "plain",
		`A="with spaces"`:             "with spaces",
		`A='$B #1'`:                   "$B #1",
		`A=pa$WORD1`:                  "pa$WORD1",
		`A="$5 \$6 $$"`:               "$5 $6 $$",
		`A=x${B}y`:                    "xShopy",
		`A="x${B}y"`:                  "xShopy",
		`A=abc#def`:                   "abc",
		`A=abc # comment`:             "abc",
		`A= # comment`:                "",
		`A=`:                          "",
		`A=""`:                        "",
		`export A=x`:                  "x",
		`A = x`:                       "x",
		`A="a\n\"b\""`:                "a\n\"b\"",
		`A=base64:c2VjcmV0+/=`:        "base64:c2VjcmV0+/=",
		`A="a # b" # c`:               "a # b",
		"A=\"one\ntwo # no comment\"": "one\ntwo # no comment",
	} {
		for _, form := range []string{"\n", "\r\n"} {
			file := strings.Join([]string{"# of an application", "B=Shop", "", text, "Z=end"}, form)
			got, line, err := parseEnvFile("\ufeff" + file)
			if want := map[string]string{"A": want, "B": "Shop", "Z": "end"}; err != nil || !maps.Equal(got, want) {
				t.Errorf("%q = %q, %d, %v, want %q", file, got, line, err, want)
			}
		}
	}
}

// The error of an environment file names the line of the mistake and shows none of its values.
func TestBrokenEnvFile(t *testing.T) {
	for text, want := range map[string]int{
		"A=1\nB=2\nnot a s3cret\nC=3\n":    3,
		"s3cret!":                          1,
		"A=1\nB=\"s3cret\nC=3\n":           2,
		"A=\"two\nlines\"\nnot a s3cret\n": 3,
	} {
		_, line, err := parseEnvFile(text)
		if err == nil || line != want || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q = line %d, %v, want an error in line %d without values", text, line, err, want)
		}
	}
}

// An environment file overrides the settings file, and is overridden by the environment. Only its variables SERVER_* count.
func TestEnvFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	settings := write("server.toml", "[server]\nport = 1\naddress = \"::1\"\nlog_level = \"warn\"\n[lua]\nmanager = \"file\"\n")
	env := write(".env", "APP_NAME=Shop\r\nPORT=9\r\nSERVER_PORT=2\r\nSERVER_LOG_LEVEL=debug\r\nSERVER_LUA_MANAGER=\"${APP_NAME}\"\r\nSERVER_PROT=3\r\n")
	c, err := Load(Source{Path: settings, EnvFile: env, Env: []string{"SERVER_PORT=4", "SERVER_LUA_MANAGER="}, Flags: map[string]string{"server.log_level": "error"}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Server.Port != 4 || c.Server.Address != "::1" || c.Server.LogLevel != "error" || c.Lua.Manager != "Shop" {
		t.Errorf("port %d, address %s, log level %s, manager %s, want 4, ::1, error and Shop", c.Server.Port, c.Server.Address, c.Server.LogLevel, c.Lua.Manager)
	}
	if want := env + ": SERVER_PROT is not a setting; did you mean SERVER_PORT?"; len(c.Warnings) != 1 || c.Warnings[0] != want {
		t.Errorf("Warnings = %q, want %q", c.Warnings, want)
	}
	if got, want := c.Origin("lua.manager"), env+": SERVER_LUA_MANAGER"; got != want {
		t.Errorf("Origin = %s, want %s", got, want)
	}
	for text, want := range map[string]string{
		"SERVER_PORT=x\n": ": SERVER_PORT: ",
		"A=1\nno way\n":   ":2: not a variable",
	} {
		if _, err := Load(Source{EnvFile: write("bad.env", text)}); err == nil || !strings.Contains(err.Error(), "bad.env"+want) {
			t.Errorf("Load of %q = %v, want bad.env%s", text, err, want)
		}
	}
	if _, err := Load(Source{EnvFile: filepath.Join(dir, "none")}); err == nil || !strings.Contains(err.Error(), "none: no such file") {
		t.Errorf("Load of a file that does not exist = %v, want its name", err)
	}
}
