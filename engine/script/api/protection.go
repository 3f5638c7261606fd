package api

import (
	"errors"
	"fmt"

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
