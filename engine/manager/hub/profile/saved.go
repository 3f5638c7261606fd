package profile

import (
	"errors"
	"fmt"
	"slices"

	"perigee/engine/manager/hub/saved"
	"perigee/engine/wire"
)

// Values are how the scripts keep their values for the next server.
type Values interface {
	// DecodeField converts the JSON of a client's field.
	DecodeField(text []byte) (wire.Value, error)
	// EncodeData and DecodeData convert the private data of a client, exactly.
	EncodeData(v wire.Value) (text []byte, err error)
	DecodeData(text []byte) (wire.Value, error)
}

// Save puts the profile, without admin rights, into the saved form of its connection. A field that has no JSON form is left out and
// named in the error.
func (p *Profile) Save(into *saved.Connection, values Values) (err error) {
	into.Type, into.Name, into.Email = p.kind, p.name, p.email
	into.User, into.Admitted, into.Given, into.Roles = p.User(), p.Admitted(), p.given(), p.Roles()
	if p.admin { // the right ends with the server, and the key can give it again
		into.Given = slices.DeleteFunc(slices.Clone(into.Given), func(field string) bool { return field == "admin" })
	}
	if data := p.Data(); data != nil {
		if into.Data, err = values.EncodeData(data); err != nil {
			err = dataFault(into, err)
		}
	}
	for _, a := range p.attributes {
		text, fault := a.value.AppendJSON(nil)
		if fault != nil {
			err = errors.Join(err, fieldFault(into, a.name, fault))
			continue
		}
		into.Fields = append(into.Fields, saved.Field{Name: a.name, Value: text})
	}
	for _, n := range p.notifications {
		into.Notifications = append(into.Notifications, saved.Notification{UUID: n.uuid, Sender: n.sender, At: n.at})
	}
	return err
}

// Restore returns the profile of a saved connection. A field that cannot be decoded is left out and named in the error.
func Restore(from *saved.Connection, values Values) (p Profile, err error) {
	p = Profile{kind: from.Type, name: from.Name, email: from.Email}
	p.SetUser(from.User)
	p.SetAdmitted(from.Admitted)
	p.SetFromConnect(from.Given)
	p.SetRoles(from.Roles)
	if len(from.Data) > 0 {
		data, fault := values.DecodeData(from.Data)
		if fault == nil {
			p.SetData(data)
		} else {
			err = dataFault(from, fault)
		}
	}
	for _, field := range from.Fields {
		v, fault := values.DecodeField(field.Value)
		if fault == nil {
			_, fault = p.SetAttribute(field.Name, v)
		}
		if fault != nil {
			err = errors.Join(err, fieldFault(from, field.Name, fault))
		}
	}
	for _, n := range from.Notifications {
		p.notifications = append(p.notifications, notification{n.UUID, n.Sender, n.At})
	}
	return p, err
}

func dataFault(of *saved.Connection, fault error) error {
	return fmt.Errorf("hub: the data of client %s: %w", of.UUID, fault)
}

func fieldFault(of *saved.Connection, name string, fault error) error {
	return fmt.Errorf("hub: field %s of client %s: %w", name, of.UUID, fault)
}
