// Package profile owns what scripts set on a connection: its names, the person who uses it, the application's fields, and its
// notifications. It must not know who is told of a change: functions that change something report whether it differs from before.
//
// Everything in it belongs to the loop.
package profile

import (
	"slices"

	"perigee/engine/wire"
)

// Profile is what scripts have set on a connection.
type Profile struct {
	kind, name, email string
	admin             bool
	person            *person        // nil until a script sets something of it
	attributes        []attribute    // in the order of setting
	notifications     []notification // in the order of each sender's first
}

// person is what scripts know of the person who uses the connection.
type person struct {
	user     string
	admitted string   // the user that the connect hook has set; "" if it has set none
	given    []string // the fields that the connect hook has returned, sorted
	roles    []string
	data     wire.Value
}

// New returns the profile of a connection of which nothing is known.
func New() Profile { return Profile{kind: "anonymous"} }

// Type returns the type of the client.
func (p *Profile) Type() string { return p.kind }

// SetType sets the type.
func (p *Profile) SetType(t string) bool { return set(&p.kind, t) }

// Name returns the name of the client, "" while it is unknown.
func (p *Profile) Name() string { return p.name }

// SetName sets the name.
func (p *Profile) SetName(n string) bool { return set(&p.name, n) }

// Email returns the email address of the client, "" while it is unknown.
func (p *Profile) Email() string { return p.email }

// SetEmail sets the email address.
func (p *Profile) SetEmail(e string) bool { return set(&p.email, e) }

// Admin reports whether the client has admin rights.
func (p *Profile) Admin() bool { return p.admin }

// SetAdmin grants or takes admin rights.
func (p *Profile) SetAdmin(admin bool) bool { return set(&p.admin, admin) }

func set[T comparable](field *T, v T) (changed bool) {
	changed = *field != v
	*field = v
	return changed
}

// User returns the application's id of the person, "" while it is unknown.
func (p *Profile) User() string {
	if p.person == nil {
		return ""
	}
	return p.person.user
}

// SetUser sets the user.
func (p *Profile) SetUser(id string) bool {
	if p.User() == id {
		return false
	}
	p.ofPerson().user = id
	return true
}

// Admitted returns the user that the connect hook has set; "" if it has set none.
func (p *Profile) Admitted() string {
	if p.person == nil {
		return ""
	}
	return p.person.admitted
}

// SetAdmitted sets the user that the connect hook has set.
func (p *Profile) SetAdmitted(user string) {
	if user != "" {
		p.ofPerson().admitted = user
	}
}

// FromConnect reports whether the connect hook has returned a field.
func (p *Profile) FromConnect(field string) bool { return slices.Contains(p.given(), field) }

// SetFromConnect names all fields that the connect hook has returned.
func (p *Profile) SetFromConnect(fields []string) {
	if len(fields) > 0 {
		p.ofPerson().given = fields
	}
}

// given returns the fields that the connect hook has returned.
func (p *Profile) given() []string {
	if p.person == nil {
		return nil
	}
	return p.person.given
}

// Roles returns the roles of the person, in the order of setting. The slice must not be changed.
func (p *Profile) Roles() []string {
	if p.person == nil {
		return nil
	}
	return p.person.roles
}

// SetRoles sets the roles.
func (p *Profile) SetRoles(roles []string) bool {
	if slices.Equal(p.Roles(), roles) {
		return false
	}
	p.ofPerson().roles = roles
	return true
}

// HasRole reports whether the person has one of these roles. It returns true for an admin, and if roles is empty.
func (p *Profile) HasRole(roles []string) bool {
	return len(roles) == 0 || p.admin || slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(p.Roles(), role) })
}

// Data returns the application's private data of the connection, or nil.
func (p *Profile) Data() wire.Value {
	if p.person == nil {
		return nil
	}
	return p.person.data
}

// SetData sets the private data.
func (p *Profile) SetData(v wire.Value) { p.ofPerson().data = v }

// ofPerson returns the person for a change. It adds one if nothing is known yet.
func (p *Profile) ofPerson() *person {
	if p.person == nil {
		p.person = &person{}
	}
	return p.person
}
