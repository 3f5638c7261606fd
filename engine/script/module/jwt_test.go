package module

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/value"
)

// newJWT returns a machine with the module jwt; secret, private and public are keys.
func newJWT(t *testing.T) *lua.LState {
	t.Helper()
	L := lua.NewState()
	t.Cleanup(L.Close)
	L.SetContext(t.Context())
	now := func() time.Time { return time.Unix(1_795_384_421, 0) }
	L.SetGlobal("jwt", JWT(value.Limits{}, now).Table(L))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"secret":  strings.Repeat("s", 32),
		"private": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		"public":  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
	} {
		L.SetGlobal(name, lua.LString(text))
	}
	err = L.DoString(`
		function check(token, options)
			local claims, reason = jwt.verify(token, options)
			return claims and tostring(claims.sub) or reason
		end
		token = jwt.sign({ sub = "7", exp = 1795384422 }, { key = secret })
		jwk = { kty = "oct", kid = "a", k = ("c3Nz"):rep(11) }`)
	if err != nil {
		t.Fatal(err)
	}
	return L
}

// Tokens that scripts sign are verified, with keys in each form; others get a reason.
func TestJWT(t *testing.T) {
	t.Parallel()
	L := newJWT(t)
	for source, want := range map[string]string{
		`check(token, { key = secret })`:              "7",
		`check(token, { key = jwk })`:                 "wrong signature",
		`check(token, { keys = { public, secret } })`: "7",
		`check(jwt.sign({ sub = "7" }, { key = private, key_id = "b" }), { keys = { a = secret, b = public } })`: "7",
		`check(jwt.sign({ sub = "7" }, { key = private, key_id = "c" }), { keys = { a = secret, b = public } })`: "unknown key",
		`check(jwt.sign({ sub = "7" }, { key = jwk }), { keys = { keys = { { kty = "EC" }, jwk } } })`:           "7",
		`check(jwt.sign({ sub = 7 }, { key = jwk, type = "at+jwt" }), { key = jwk, type = "at+jwt" })`:           "malformed", // sub is text (RFC 7519, 4.1.2)
		`check(token, { key = secret, type = "at+jwt" })`:                                                        "wrong type",
		`check(token, { key = secret, issuer = { "a", "b" } })`:                                                  "wrong issuer",
		`check(token, { key = secret, audience = "a" })`:                                                         "wrong audience",
		`check(token, { key = public })`:                                                                         "algorithm not allowed",
		`check(token, { key = public, algorithms = { "ES256", "HS256" } })`:                                      "algorithm not allowed",
		`check(jwt.sign({ exp = 1795384420 }, { key = secret }), { key = secret })`:                              "nil", // within the leeway
		`check(jwt.sign({ exp = 1795384420 }, { key = secret }), { key = secret, leeway = 0 })`:                  "expired",
		`check(jwt.sign({ exp = 1795384410 }, { key = secret }), { key = secret })`:                              "expired",
		`check(nil, { key = secret })`:                                                                           "malformed",
		`check({}, { key = secret })`:                                                                            "malformed",
		`check(5, { key = secret })`:                                                                             "malformed",
		`jwt.verify(jwt.sign({ list = { 1, { x = true } } }, { key = secret }), { key = secret }).list[2].x`:     "true",
	} {
		if err := L.DoString("return " + source); err != nil {
			t.Errorf("%s: %v", source, err)
		} else if got := L.Get(-1).String(); got != want {
			t.Errorf("%s = %s, want %s", source, got, want)
		}
	}
}

// Options that make no sense are errors of the script, whatever the token is.
func TestWrongJWTOptions(t *testing.T) {
	t.Parallel()
	L := newJWT(t)
	for source, want := range map[string]string{
		`jwt.verify(nil, {})`:                                        "key or keys is missing, or both are there",
		`jwt.verify(nil, { key = secret, keys = {} })`:               "key or keys is missing, or both are there",
		`jwt.verify(nil, { keys = {} })`:                             "keys is empty",
		`jwt.verify(nil, { keys = secret })`:                         "keys must be a table, not a string",
		`jwt.verify(nil, { keys = { [5] = true } })`:                 "keys: [5]: a key is a string or a table, not a boolean",
		`jwt.verify(nil, { keys = { keys = { { kty = "EC" } } } })`:  "the JSON Web Key Set has no key for signatures",
		`jwt.verify(nil, { key = "short" })`:                         "a secret of 5 bytes can be guessed",
		`jwt.verify(nil, { key = secret, algorithms = { "none" } })`: `"none" is not an algorithm that is allowed`,
		`jwt.verify(nil, { key = secret, algorithms = "RS256" })`:    "the key has HS256, which is not among the algorithms RS256",
		`jwt.verify(nil, { key = secret, algorithms = {} })`:         "algorithms is empty",
		`jwt.verify(nil, { key = secret, audience = {} })`:           "audience is empty",
		`jwt.verify(nil, { key = secret, issuer = { 5 } })`:          "issuer must be a string or a list of strings",
		`jwt.verify(nil, { key = secret, leeway = -1 })`:             "leeway must be milliseconds",
		`jwt.verify(nil, { key = secret, leeway = "5" })`:            "leeway must be milliseconds",
		`jwt.verify(nil, { key = secret, algorithm = "HS256" })`:     `unknown option "algorithm"`,
		`jwt.sign({}, { key = public })`:                             "the key is public",
		`jwt.sign({}, {})`:                                           "a key is a string or a table, not a nil; is the secret missing in server.config?",
		`jwt.sign({ 1 }, { key = secret })`:                          "claims are a table with names, not a list",
		`jwt.sign({ f = print }, { key = secret })`:                  "f: a function has no JSON form",
		`jwt.sign({}, { key = secret, algorithm = "HS512" })`:        "the key has HS256",
		`jwt.verify(nil, { keys = { keys = (function() local t = {} for i = 1, 101 do t[i] = jwk end return t end)() } })`: "more than 100 keys",
		`jwt.verify(nil, { keys = (function() local t = {} for i = 1, 101 do t[i] = jwk end return t end)() })`:            "more than 100 keys",
	} {
		if err := L.DoString("return " + source); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sss") {
			t.Errorf("%s: %v, want an error with %q", source, err, want)
		}
	}
	if err := L.DoString(`for i = 1, 250 do jwt.sign({}, { key = secret .. i }) end assert(jwt.verify(token, { key = secret }))`); err != nil {
		t.Errorf("with more keys than are kept: %v", err)
	}
}
