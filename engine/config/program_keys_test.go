package config

import (
	"path/filepath"
	"reflect"
	"testing"
)

// The keys of programs are relative to the settings file, and a reload changes them.
func TestProgramKeys(t *testing.T) {
	path := write(t, "[keys.shop]\nkey_file = \"shop.key\"\ncommands = [\"OrderPaid\"]\n[keys.bank]\nkey_file = \"/etc/bank.key\"\nkey_file_mode = \"any\"\ncommands = [\"A\", \"B\"]\n")
	got := load(t, Source{Path: path})
	want := map[string]ProgramKey{
		"shop": {KeyFile: filepath.Join(filepath.Dir(path), "shop.key"), KeyFileMode: KeyFileModeOwner, Commands: []string{"OrderPaid"}},
		"bank": {KeyFile: "/etc/bank.key", KeyFileMode: KeyFileModeAny, Commands: []string{"A", "B"}},
	}
	if !reflect.DeepEqual(got.Keys, want) {
		t.Errorf("Keys = %+v, want %+v", got.Keys, want)
	}
	merged, changes, need := Default().Reload(got)
	if wanted := []Change{{Name: "keys.bank"}, {Name: "keys.shop"}}; !reflect.DeepEqual(changes[len(changes)-2:], wanted) || !reflect.DeepEqual(merged.Keys, want) {
		t.Errorf("Reload = %v, %v, want %v", changes, need, wanted)
	}
}

// Where containers and systemd mount secrets, and nowhere beside, anybody may read them.
func TestAnyMayRead(t *testing.T) {
	c := load(t, Source{Env: []string{"CREDENTIALS_DIRECTORY=/run/credentials/perigee.service"}})
	for path, want := range map[string]bool{
		"/run/secrets/key": true, "/var/run/secrets/perigee/key": true, "/run/credentials/perigee.service/key": true,
		"/run/secrets": false, "/run/secretsx/key": false, "/run/secrets/../key": false, "/run/credentials/other.service/key": false,
		"/etc/perigee/key": false, "key": false,
	} {
		if got := c.AnyMayRead(path, KeyFileModeOwner); got != want {
			t.Errorf("AnyMayRead(%s) = %t, want %t", path, got, want)
		}
	}
	if !c.AnyMayRead("/etc/perigee/key", KeyFileModeAny) {
		t.Error("AnyMayRead with the mode any = false, want true")
	}
	if load(t, Source{}).AnyMayRead("/key", KeyFileModeOwner) {
		t.Error("AnyMayRead without CREDENTIALS_DIRECTORY = true, want false")
	}
}
