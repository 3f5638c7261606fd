// Package auth decides who may do what: protection levels, the admin key, failed tries and new connections per address,
// origins and hosts of web pages, and which address a client really has. All of it is pure functions and small values;
// the time is always handed in. The package knows no socket, no message and no script, and never logs: it answers, and
// the caller acts.
package auth

import "fmt"

// Protection says who may send a message. The zero value is the strictest, so that a forgotten one opens no door.
type Protection int

// The protections, strictest first.
const (
	Admin  Protection = iota // admins
	Client                   // the connection that the message is about, and admins
	None                     // everybody
)

// ParseProtection reads "admin", "client" or "none".
func ParseProtection(s string) (Protection, error) {
	for _, p := range []Protection{Admin, Client, None} {
		if s == p.String() {
			return p, nil
		}
	}
	return Admin, fmt.Errorf(`protection %q: not one of "none", "client", "admin"`, s)
}

// String returns the word that scripts write.
func (p Protection) String() string {
	switch p {
	case Admin:
		return "admin"
	case Client:
		return "client"
	case None:
		return "none"
	default:
		return fmt.Sprintf("protection %d", int(p))
	}
}

// Allows tells whether a connection may send a message: admin says whether it is an admin, self is its UUID and owner
// the UUID of the connection that the message, or topic, is about ("" where it names none). The manager has one guard,
// which is the only caller.
func (p Protection) Allows(admin bool, self, owner string) bool {
	switch p {
	case None:
		return true
	case Client:
		return admin || (owner != "" && self == owner)
	case Admin:
		return admin
	default:
		return false
	}
}
