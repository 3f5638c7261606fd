package bind

import (
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
	"perigee/engine/script/operator"
	"perigee/engine/script/value"
	"perigee/engine/wire"
)

// fields returns argument n as the fields of a message: a table or nothing. A field that the server sets itself, one of the
// envelope or of own, is an error, since it would be lost.
func fields(L *lua.LState, message string, n int, own ...string) value.Fields {
	t := L.OptTable(n, nil)
	if t == nil {
		return value.Fields{}
	}
	var taken []string
	check := func(name string) {
		if t.RawGetString(name) != lua.LNil {
			taken = append(taken, name)
		}
	}
	for _, name := range [...]string{"id", "name", "timestamp"} {
		check(name)
	}
	for _, name := range own {
		check(name)
	}
	if taken != nil {
		L.RaiseError("send %q: the server itself sets %s; rename the field, or put it into a table: { item = { %s = ... } }",
			message, strings.Join(taken, " and "), taken[0])
	}
	return value.Fields{Table: t}
}

// answer is fields with the id of the message that they answer.
type answer struct {
	wire.Fields
	previous string
}

func (a answer) AppendMembers(dst []byte) ([]byte, error) {
	start := len(dst)
	dst, err := a.Fields.AppendMembers(dst)
	if err != nil {
		return dst, err
	}
	if len(dst) > start {
		dst = append(dst, ',')
	}
	return wire.AppendString(append(dst, `"previous":`...), a.previous), nil
}

// answerTo adds the id of the message that L's call handles, if c sent it with one.
func answerTo(L *lua.LState, c Client, fields wire.Fields) wire.Fields {
	if m := api.Caller(L).Message; m.ID != "" && m.From == c {
		return answer{fields, m.ID}
	}
	return fields
}

// reply is client:reply.
func (cs *Clients) reply(L *lua.LState) int {
	c, name := api.Self[*connection](L, "reply").Client, L.CheckString(2)
	raiseSend(L, name, cs.host.Send([]Client{c}, name, answerTo(L, c, fields(L, name, 3, "previous"))))
	return 0
}

// fail is client:fail.
func (cs *Clients) fail(L *lua.LState) int {
	c := api.Self[*connection](L, "fail").Client
	word, isString := L.Get(2).(lua.LString)
	sentence, areStrings := L.Get(3).(lua.LString)
	code, isNumber := L.Get(4).(lua.LNumber)
	if !isString || !areStrings || !isNumber {
		L.RaiseError(`write client:fail("NoItem", "Say what you would like.", 422)`)
	}
	fields := wire.Exception{Name: string(word), Message: string(sentence), Code: int(code)}.Fields("")
	if answered := L.OptTable(5, nil); answered == nil {
		fields = answerTo(L, c, fields)
	} else if id := messageID(answered); id != "" {
		fields = answer{fields, id}
	}
	api.Raise(L, cs.host.Send([]Client{c}, wire.MessageException, fields))
	return 0
}

// messageID returns the id of a message that a handler has got; "" if it has none.
func messageID(message *lua.LTable) string {
	switch id := message.RawGetString("id").(type) {
	case lua.LString:
		return string(id)
	case lua.LNumber:
		return operator.Text(float64(id))
	}
	return ""
}
