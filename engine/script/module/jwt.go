package module

import (
	"errors"
	"fmt"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/jwt"
	"perigee/engine/script/api"
	"perigee/engine/script/value"
)

// maxKeys is the most keys that one call takes: more than any provider has at a time.
const maxKeys = 100

// leeway is how far the clocks of two machines may differ unless a script says otherwise.
const leeway = 5 * time.Second

// JWT is the module jwt. limits are those of claims; now is the clock.
func JWT(limits value.Limits, now func() time.Time) api.Module {
	known := knownKeys{}
	return api.Module{Name: "jwt", Doc: "JSON Web Tokens (RFC 7519).", Yields: true, Functions: []api.Function{
		{
			Name: "verify", Signature: "(token: any, options: perigee.VerifyOptions): table?, string?",
			Doc: "Returns the claims of a token, or nil and the reason: malformed, algorithm not allowed, unknown key, wrong signature, wrong type, wrong issuer, wrong audience, expired, or not valid yet. What is no string is malformed. A token for an audience is refused unless the option audience names it; one without exp is valid for ever. Keys and addresses of keys inside of a token are ignored. A key that cannot be read is an error.",
			Run: func(L *lua.LState) int { return known.verify(L, limits, now()) },
		},
		{
			Name: "sign", Signature: "(claims: table, options: perigee.SignOptions): string",
			Doc: "Returns a token with the claims. The claims exp, nbf and iat are seconds since 1970, as server.time returns. A client can read the claims, and cannot change them.",
			Run: known.sign,
		},
	}}
}

// JWTOptions are the options of the functions of the module jwt.
func JWTOptions() []api.Kind {
	const key = "A secret of 32 bytes or more, an RSA, EC or Ed25519 key in PEM, or a JSON Web Key as a table."
	return []api.Kind{
		{Class: "VerifyOptions", Doc: "Options of jwt.verify. One of key and keys is required.", Fields: []api.Field{
			{Name: "key?", Type: "string|table", Doc: key + " A public key or certificate suffices."},
			{
				Name: "keys?", Type: "table",
				Doc: "Several keys, at most 100: a list, a table of keys by their names, which are compared with the kid of the token, or a JSON Web Key Set, as an identity provider publishes it: response:json().",
			},
			{
				Name: "algorithms?", Type: "string|string[]",
				Doc: "The allowed ones among HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and EdDSA. A key verifies only tokens of its own kind, whatever is allowed. Default: that of each key's alg, or else HS256 for a secret, RS256 for RSA, that of the curve for EC, and EdDSA for Ed25519.",
			},
			{Name: "issuer?", Type: "string|string[]", Doc: "Which issuers are accepted, as the claim iss. Default: any, and none."},
			{Name: "audience?", Type: "string|string[]", Doc: "Which audiences are accepted, of which the claim aud must have one. Default: only tokens without aud."},
			{Name: "type?", Type: "string", Doc: "The header typ, such as \"at+jwt\", which tells tokens for one purpose from others of the same issuer. Default: any."},
			{Name: "leeway?", Type: "number", Doc: "How many milliseconds the clock of the issuer may differ. Default: 5000."},
		}},
		{Class: "SignOptions", Doc: "Options of jwt.sign.", Fields: []api.Field{
			{Name: "key", Type: "string|table", Doc: key},
			{Name: "algorithm?", Type: "string", Doc: "One that fits the key. Default: as for jwt.verify."},
			{Name: "key_id?", Type: "string", Doc: "The name of the key, which becomes the header kid."},
			{Name: "type?", Type: "string", Doc: "The header typ. Default: JWT."},
		}},
	}
}

func (known knownKeys) verify(L *lua.LState, limits value.Limits, now time.Time) int {
	options := L.CheckTable(2)
	api.Raise(L, api.CheckOptions(options, "key", "keys", "algorithms", "issuer", "audience", "type", "leeway"))
	keys, expected, err := known.readVerifyOptions(options)
	api.Raise(L, err)
	expected.Now = now
	token, isText := L.Get(1).(lua.LString)
	if !isText {
		return api.PushResult(L, nil, jwt.ErrMalformed)
	}
	claims, err := jwt.Verify(string(token), keys, expected)
	if err != nil {
		return api.PushResult(L, nil, err)
	}
	limits.Turn = L.Context()
	return pushDecoded(L, string(claims), limits)
}

func (known knownKeys) readVerifyOptions(options *lua.LTable) (keys []jwt.Key, e jwt.Expected, err error) {
	if keys, err = known.readKeys(options); err != nil {
		return nil, e, err
	}
	lists := map[string]*[]string{"algorithms": &e.Algorithms, "issuer": &e.Issuers, "audience": &e.Audiences}
	for name, list := range lists {
		if *list, err = readStrings(options, name); err != nil {
			return nil, e, err
		}
	}
	if err := jwt.CheckAlgorithms(keys, e.Algorithms); err != nil {
		return nil, e, err
	}
	typ, err := api.Option[lua.LString](options, "type", "a string")
	if err != nil {
		return nil, e, err
	}
	e.Type, e.Leeway = string(typ), leeway
	if given := options.RawGetString("leeway"); given != lua.LNil {
		ms, isNumber := given.(lua.LNumber)
		if e.Leeway = api.Duration(float64(ms)); !isNumber || e.Leeway < 0 {
			return nil, e, errors.New("leeway must be milliseconds from 0 to a year")
		}
	}
	return keys, e, nil
}

// readStrings returns an option that is a string or a list of strings.
func readStrings(options *lua.LTable, name string) ([]string, error) {
	wrong := fmt.Errorf("%s must be a string or a list of strings", name)
	switch given := options.RawGetString(name).(type) {
	case *lua.LNilType:
		return nil, nil
	case lua.LString:
		return []string{string(given)}, nil
	case *lua.LTable:
		var all []string
		for i := 1; i <= given.Len(); i++ {
			text, isText := given.RawGetInt(i).(lua.LString)
			if !isText {
				return nil, wrong
			}
			all = append(all, string(text))
		}
		if all == nil { // an empty list would mean the default
			return nil, fmt.Errorf("%s is empty", name)
		}
		return all, nil
	default:
		return nil, wrong
	}
}

// readKeys returns the keys of the options key and keys.
func (known knownKeys) readKeys(options *lua.LTable) ([]jwt.Key, error) {
	key, several := options.RawGetString("key"), options.RawGetString("keys")
	if (key == lua.LNil) == (several == lua.LNil) {
		return nil, errors.New("key or keys is missing, or both are there")
	}
	if key != lua.LNil {
		return known.readKey(key, "")
	}
	table, isTable := several.(*lua.LTable)
	if !isTable {
		return nil, fmt.Errorf("keys must be a table, not a %s; one key is the option key", several.Type())
	}
	if set, isSet := table.RawGetString("keys").(*lua.LTable); isSet {
		if set.Len() > maxKeys {
			return nil, fmt.Errorf("keys has more than %d keys", maxKeys)
		}
		text, err := value.Append(nil, table, value.Limits{})
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		return known.read(keyText{text: string(text), isSet: true})
	}
	var keys []jwt.Key
	for name, given := table.Next(lua.LNil); name != lua.LNil; name, given = table.Next(name) {
		id, _ := name.(lua.LString) // none in a list
		k, err := known.readKey(given, string(id))
		if err != nil {
			return nil, fmt.Errorf("keys: [%s]: %w", name, err)
		}
		if keys = append(keys, k...); len(keys) > maxKeys {
			return nil, fmt.Errorf("keys has more than %d keys", maxKeys)
		}
	}
	if keys == nil {
		return nil, errors.New("keys is empty")
	}
	return keys, nil
}

// readKey returns the key that a script gives as a string or as a table, in a list.
func (known knownKeys) readKey(given lua.LValue, id string) ([]jwt.Key, error) {
	text := ""
	switch given := given.(type) {
	case lua.LString:
		text = string(given)
	case *lua.LTable:
		written, err := value.Append(nil, given, value.Limits{})
		if err != nil {
			return nil, fmt.Errorf("the key: %w", err)
		}
		text = string(written)
	default:
		return nil, fmt.Errorf("a key is a string or a table, not a %s; is the secret missing in server.config?", given.Type())
	}
	return known.read(keyText{text: text, id: id})
}

// knownKeys are the keys that have been read: reading a private RSA key takes longer than signing with it. It is used on the loop.
type knownKeys map[keyText][]jwt.Key

// keyText is what a key is read from, or the keys of a set.
type keyText struct {
	text, id string
	isSet    bool
}

// read reads keys, once.
func (known knownKeys) read(from keyText) (keys []jwt.Key, err error) {
	if keys, ok := known[from]; ok {
		return keys, nil
	}
	if from.isSet {
		keys, err = jwt.ParseSet([]byte(from.text))
	} else {
		var k jwt.Key
		k, err = jwt.ParseKey(from.text, from.id)
		keys = []jwt.Key{k}
	}
	if err != nil {
		return nil, err
	}
	if len(known) >= maxKeys {
		clear(known)
	}
	known[from] = keys
	return keys, nil
}

// sign is jwt.sign.
func (known knownKeys) sign(L *lua.LState) int {
	claims, options := L.CheckTable(1), L.CheckTable(2)
	api.Raise(L, api.CheckOptions(options, "key", "algorithm", "key_id", "type"))
	text, err := value.Append(nil, claims, value.Limits{Turn: L.Context()})
	if err == nil && text[0] != '{' {
		err = errors.New("claims are a table with names, not a list")
	}
	api.Raise(L, err)
	var texts [3]string
	for i, name := range []string{"algorithm", "key_id", "type"} {
		given, err := api.Option[lua.LString](options, name, "a string")
		api.Raise(L, err)
		texts[i] = string(given)
	}
	keys, err := known.readKey(options.RawGetString("key"), texts[1])
	api.Raise(L, err)
	token, err := jwt.Sign(text, keys[0], texts[0], texts[2])
	api.Raise(L, err)
	return api.Push(L, lua.LString(token))
}
