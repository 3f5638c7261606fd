package api

import (
	"errors"
	"fmt"
	"slices"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/auth"
)

// ErrNoProtection is returned by Protection if the option is missing.
var ErrNoProtection = errors.New(`protection = "none", "client" or "admin" is missing`)

// Protection returns the protection option.
func Protection(options *lua.LTable) (auth.Protection, error) {
	if v, ok := options.RawGetString("protection").(lua.LString); ok {
		return auth.ParseProtection(string(v))
	}
	return auth.Admin, ErrNoProtection
}

// maxRoles is how many roles a client may have, and how many may be allowed to send a message.
const maxRoles = 100

// Roles returns a list of roles, each once; nil is an empty list. The error is the end of a sentence that begins with the name of
// the value.
func Roles(v lua.LValue) ([]string, error) {
	if v == lua.LNil {
		return nil, nil
	}
	t, ok := v.(*lua.LTable)
	if !ok {
		return nil, fmt.Errorf("must be a list of strings, not a %s", v.Type())
	}
	entries := 0
	t.ForEach(func(lua.LValue, lua.LValue) { entries++ })
	if entries != t.Len() || entries > maxRoles {
		return nil, fmt.Errorf("must be a list of up to %d strings", maxRoles)
	}
	var all []string
	for i := range entries {
		s, ok := t.RawGetInt(i + 1).(lua.LString)
		if !ok || s == "" || len(s) > 255 {
			return nil, fmt.Errorf("must be a list of strings of 1 to 255 bytes: entry %d is not one", i+1)
		}
		if !slices.Contains(all, string(s)) {
			all = append(all, string(s))
		}
	}
	return all, nil
}

// RolesOption returns the option roles, which names at least one role if it is given.
func RolesOption(options *lua.LTable) ([]string, error) {
	given := options.RawGetString("roles")
	roles, err := Roles(given)
	if err != nil {
		return nil, fmt.Errorf("roles %w", err)
	}
	if given != lua.LNil && len(roles) == 0 {
		return nil, errors.New("roles is empty: leave it out if no role is needed")
	}
	return roles, nil
}

// Owner returns the owner option, which is required with protection "client" and not allowed with the others.
func Owner(options *lua.LTable, protection auth.Protection, meaning string) (string, error) {
	owner, given := options.RawGetString("owner").(lua.LString)
	if !given && options.RawGetString("owner") != lua.LNil {
		return "", fmt.Errorf("owner must be a string: %s", meaning)
	}
	if protection == auth.Client && owner == "" {
		return "", fmt.Errorf(`protection = "client" needs owner: %s`, meaning)
	}
	if protection != auth.Client && given {
		return "", fmt.Errorf(`owner goes with protection = "client" only`)
	}
	return string(owner), nil
}
