package config

import (
	"errors"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
)

// Values of key_file_mode.
const (
	KeyFileModeOwner = "owner"
	KeyFileModeAny   = "any"
)

// ProgramKey is a table [keys.NAME]: a key with which a program may run some commands over HTTP, and nothing else.
type ProgramKey struct {
	// KeyFile is the file that holds the key.
	KeyFile string
	// KeyFileMode says who may read the file: KeyFileModeOwner, or KeyFileModeAny.
	KeyFileMode string
	// Commands are the names of the commands.
	Commands []string
}

// Errors about tables [keys.NAME].
var (
	errNoKeyFile  = errors.New(`key_file is missing; write for example key_file = "shop.key"`)
	errNoCommands = errors.New(`the key opens no command; write for example commands = ["AddPrize"]`)
)

// readProgramKey takes over a key below keys: the whole table at once, when its first key comes.
func (l *loader) readProgramKey(f *file, key toml.Key) {
	k := ProgramKey{KeyFileMode: KeyFileModeOwner}
	name, ok := l.readNamed(f, key, namedTable{"a key", "key_file", errNoKeyFile, k.read})
	if !ok {
		return
	}
	if len(k.Commands) == 0 {
		l.errs.add(f.origin(key[:2], key), errNoCommands)
	}
	l.config.Keys[name] = k
	l.origins["keys."+name+".key_file"] = f.origin(toml.Key{"keys", name, "key_file"}, key)
}

// read reads a field of the table.
func (k *ProgramKey) read(field string, value any) (err error) {
	switch field {
	case "key_file":
		if k.KeyFile, err = parsePlain(value); err == nil && k.KeyFile == "" {
			err = errNoKeyFile
		}
	case "key_file_mode":
		if k.KeyFileMode, err = parsePlain(value); err == nil {
			err = checkWord(k.KeyFileMode, []string{KeyFileModeOwner, KeyFileModeAny})
		}
	case "commands":
		k.Commands, err = parseList(value)
	case "key":
		err = errors.New(`a key does not stand in the file; write it into a file of its own, and name that in key_file`)
	default:
		err = didYouMean("unknown key", Nearest(field, []string{"key_file", "key_file_mode", "commands"}))
	}
	return err
}

// AnyMayRead reports whether users other than its owner may read a key file: if its mode is KeyFileModeAny, or if it is where
// containers and systemd mount secrets, which are readable inside of them only.
func (c Config) AnyMayRead(keyFile, mode string) bool {
	directories := []string{"/run/secrets", "/var/run/secrets", c.credentials}
	for _, directory := range directories {
		if directory != "" && strings.HasPrefix(filepath.Clean(keyFile), filepath.Clean(directory)+string(filepath.Separator)) {
			return true
		}
	}
	return mode == KeyFileModeAny
}
