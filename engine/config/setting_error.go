package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// Origin returns where a setting was set, in the form in which errors of Load begin: the file with line and name, the variable
// or the flag. For a default it returns the name.
func (c Config) Origin(name string) string {
	if at, set := c.origins[name]; set {
		return at.label
	}
	return name
}

// SettingError wraps an error about the use of a setting that is well formed. It adds the setting's origin and, if the system has
// refused a file or a directory, a remedy.
func (c Config) SettingError(name string, err error) error {
	return fmt.Errorf("%s: %w%s", c.Origin(name), err, c.remedy(name, err))
}

// remedy says what the file or directory that a setting names needs, or returns "" if err is not an error of the system.
func (c Config) remedy(name string, err error) string {
	all := settings()
	i := slices.IndexFunc(all, func(s setting) bool { return s.Name == name })
	if _, refused := errors.AsType[syscall.Errno](err); i < 0 || !refused {
		return ""
	}
	remedy := ""
	if needs := all[i].field.Tag.Get("needs"); needs != "" {
		remedy = "; " + needs
	}
	switch {
	case errors.Is(err, fs.ErrPermission) && os.Geteuid() >= 0: // Windows has no number
		remedy += fmt.Sprintf("; the user ID is %d", os.Geteuid())
	case errors.Is(err, fs.ErrNotExist) && c.origins[name].source <= fromFile && c.Path != "":
		remedy += "; relative paths start at the directory of " + c.Path
	}
	return remedy
}
