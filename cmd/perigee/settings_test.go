package main

import (
	"os"
	"regexp"
	"testing"
)

// An error about a file that a setting names has the line, variable or flag of the setting and a remedy, also in a reload,
// which then changes nothing.
func TestSettingErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	writeApp(t, appRing)
	write := func(settings string) {
		t.Helper()
		if err := os.WriteFile("server.toml", []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const manager = "[lua]\nmanager = \"app\"\n"
	for _, row := range []struct {
		settings, variable, flag string
		want                     string
	}{
		{manager + "[server]\nkey_file = \"key\"\n", "", "", `(?m)^perigee: server.toml:4: server.key_file: key file key: no such file or directory; it must exist, .*\(chmod 600\); relative paths start at the directory of server.toml\n$`},
		{manager, "SERVER_PUBLIC=nix", "", `(?m)^perigee: SERVER_PUBLIC: open nix: no such file or directory; it must be a directory .*can read\n$`},
		{manager, "", "--state-file=x/y.json", `(?m)^perigee: --state-file: there is no directory x\n$`},
		{manager + "[state]\nfile = \"/proc/state.json\"\n", "", "", `(?m)^perigee: server.toml:4: state.file: cannot write to /proc/state.json: .*; its directory must exist`},
		{"[lua]\nmanager = \"apps\"\n", "", "", `(?m)^perigee: server.toml:2: lua.manager: module "apps" not found: .*; did you mean "app"\?\n$`},
		{manager + "[server]\norigins = [\"nonsense\"]\n", "", "", `(?m)^perigee: server.toml:4: server.origins: origin `},
	} {
		write(row.settings)
		args := []string{"check"}
		if row.flag != "" {
			args = append(args, row.flag)
		}
		code, _, stderr := perigee(t, []string{row.variable}, args...)
		if code != 1 || !regexp.MustCompile(row.want).MatchString(stderr) {
			t.Errorf("check with %q %s %s = %d, %s, want 1 and %s", row.settings, row.variable, row.flag, code, stderr, row.want)
		}
	}
	write(manager)
	_, environ := runtimeDir(t)
	server := start(t, environ)
	write(manager + "[server]\npublic = \"nix\"\n")
	code, _, stderr := perigee(t, environ, "reload", "-P", server.port)
	if want := `server.toml:4: server.public: open nix: no such file or directory; it must be a directory`; code != 1 || !regexp.MustCompile(want).MatchString(stderr) {
		t.Errorf("reload = %d, %s, want 1 and %s", code, stderr, want)
	}
}
