// Package auth owns the rules of access: protection levels, the admin key, rate limits, the origins and hosts of web pages, and
// the address of a client behind proxies. It must not know sockets, messages or scripts. It never logs, and takes the time as
// an argument: it answers questions, and the caller acts.
package auth

import "fmt"

// Protection says who may send a message. The zero value is the strictest, so that a forgotten one permits nothing.
type Protection int

// The protections, strictest first.
const (
	Admin  Protection = iota // admins
	Client                   // the connection that the message is about, and admins
	None                     // every connection
)

// ParseProtection parses "admin", "client" or "none".
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

// Allows reports whether a connection may send a message. admin says whether the connection is an admin, self is its UUID, and
// owner is the UUID of the connection that the message or topic is about, or "" if it names none. hub.Connection.May is the
// only caller.
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
