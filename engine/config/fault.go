package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// Where returns how errors about a setting begin, as those of Load do: the file with line and name, the variable or the flag
// that it comes from; its name where nobody has set it.
func (c Config) Where(name string) string {
	if at, set := c.places[name]; set {
		return at.label
	}
	return name
}

// Fault says that a setting which is well formed is of no use to whoever needs it: with where it stands, and, where the system
// has refused a file or a folder, what would be right.
func (c Config) Fault(name string, err error) error {
	return fmt.Errorf("%s: %w%s", c.Where(name), err, c.remedy(name, err))
}

// remedy says what the system wants of the file or the folder that a setting names; "" where it has refused nothing.
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
	case errors.Is(err, fs.ErrPermission):
		remedy += fmt.Sprintf("; that user is number %d here", os.Geteuid())
	case errors.Is(err, fs.ErrNotExist) && c.places[name].layer <= fromFile && c.Path != "":
		remedy += "; a relative path begins at the folder of " + c.Path
	}
	return remedy
}
