package auth

import "slices"

// Grant is what a key allows a program. The zero Grant allows nothing.
type Grant struct {
	admin    bool
	commands []string
}

// AdminGrant is what the admin key allows: everything.
func AdminGrant() Grant { return Grant{admin: true} }

// Admin reports whether the key is the admin key.
func (g Grant) Admin() bool { return g.admin }

// Runs reports whether the key allows a command.
func (g Grant) Runs(command string) bool { return g.admin || slices.Contains(g.commands, command) }

// ProgramKey is a key with which a program may run some commands, and do nothing else.
type ProgramKey struct {
	Name     string
	Key      Key
	Commands []string
}

// Same reports whether another key has the same name and the same secret.
func (p ProgramKey) Same(other ProgramKey) bool { return p.Name == other.Name && p.Key == other.Key }

// FindGrant returns what a password allows as the key of a program. It takes the same time whichever key it is.
func FindGrant(programs []ProgramKey, password string) (grant Grant, found bool) {
	for _, p := range programs {
		if p.Key.Matches(password) {
			grant, found = Grant{commands: p.Commands}, true
		}
	}
	return grant, found
}
