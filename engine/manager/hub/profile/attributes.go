package profile

import (
	"fmt"
	"slices"

	"perigee/engine/script/bind"
	"perigee/engine/wire"
)

// attribute is one field of the application's own data.
type attribute struct {
	name  string
	value wire.Value
	size  int // of both as JSON when it was set, in bytes
}

func (p *Profile) attributeIndex(name string) int {
	return slices.IndexFunc(p.attributes, func(a attribute) bool { return a.name == name })
}

// Attribute returns the application's field of that name, or nil.
func (p *Profile) Attribute(name string) wire.Value {
	if i := p.attributeIndex(name); i >= 0 {
		return p.attributes[i].value
	}
	return nil
}

// SetAttribute sets a field of the application, or removes it if v is nil. After an error nothing has changed.
func (p *Profile) SetAttribute(name string, v wire.Value) (changed bool, err error) {
	i := p.attributeIndex(name)
	if v == nil {
		if i >= 0 {
			p.attributes = slices.Delete(p.attributes, i, i+1)
		}
		return i >= 0, nil
	}
	a := attribute{name: name, value: v}
	if err := p.measure(&a, i); err != nil {
		return false, err
	}
	if i >= 0 {
		p.attributes[i] = a
	} else {
		p.attributes = append(p.attributes, a)
	}
	return true, nil
}

// measure sets the size of an attribute that will replace the one at i, or be added if i is negative. It returns an error if
// the attribute, or all of them together, would be too large.
func (p *Profile) measure(a *attribute, i int) error {
	text, err := a.value.AppendJSON(nil)
	if err != nil {
		return err
	}
	a.size = len(a.name) + len(text) + len(`"":,`)
	if a.size > bind.MaxAttribute {
		return fmt.Errorf("a field of a client may have %d KiB as JSON", bind.MaxAttribute>>10)
	}
	size := a.size
	for other, set := range p.attributes {
		if other != i {
			size += set.size
		}
	}
	if size > bind.MaxAttributes {
		return fmt.Errorf("the fields of a client may have %d KiB as JSON together", bind.MaxAttributes>>10)
	}
	return nil
}

// MapValues replaces the value of each attribute, and the data, by what convert returns for it.
func (p *Profile) MapValues(convert func(name string, v wire.Value) wire.Value) {
	if p.Data() != nil {
		p.SetData(convert("data", p.Data()))
	}
	for i, a := range p.attributes {
		p.attributes[i].value = convert(a.name, a.value)
	}
}

// errTooLarge is returned if the JSON of a connection is larger than bind.MaxRow.
var errTooLarge = fmt.Errorf("a client has more than %d KiB of fields as JSON", bind.MaxRow>>10)

// CheckRow returns an error if the JSON of a connection has too many bytes.
func CheckRow(bytes int) error {
	if bytes > bind.MaxRow {
		return errTooLarge
	}
	return nil
}

// AppendAttributes appends the attributes, in the order of setting, as members of an object, each with a comma behind it.
func (p *Profile) AppendAttributes(dst []byte) ([]byte, error) {
	start := len(dst)
	var err error
	for _, a := range p.attributes {
		dst = append(wire.AppendString(dst, a.name), ':')
		if dst, err = a.value.AppendJSON(dst); err != nil {
			return nil, err
		}
		if err = CheckRow(len(dst) - start); err != nil {
			return nil, err
		}
		dst = append(dst, ',')
	}
	return dst, nil
}
