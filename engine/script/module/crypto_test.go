package module

import (
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// The values are those of published test vectors: FIPS 180-4, RFC 2202, RFC 4231 and RFC 4648. What is no such text is refused.
func TestCrypto(t *testing.T) {
	t.Parallel()
	L := lua.NewState()
	t.Cleanup(L.Close)
	L.SetGlobal("crypto", Crypto().Table(L))
	const what = `"what do ya want for nothing?"`
	for source, want := range map[string]string{
		`crypto.sha256("abc")`:                                           "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		`crypto.sha256("abc", "base64")`:                                 "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
		`crypto.sha256("abc", "base64url")`:                              "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0",
		`#crypto.sha256("abc", "bytes")`:                                 "32",
		`crypto.hmac("sha1", "Jefe", ` + what + `)`:                      "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
		`crypto.hmac("sha256", "Jefe", ` + what + `)`:                    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
		`crypto.hmac("sha384", "Jefe", ` + what + `)`:                    "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
		`crypto.hmac("sha512", "Jefe", ` + what + `)`:                    "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
		`crypto.base64("fooba")`:                                         "Zm9vYmE=",
		`crypto.base64url("\251\255\254")`:                               "-__-",
		`crypto.from_base64("Zm9vYmE=")`:                                 "fooba",
		`crypto.from_base64("Zm9vYmE")`:                                  "fooba",
		`#crypto.from_base64("-__-")`:                                    "3",
		`#crypto.from_base64("+//+")`:                                    "3",
		`crypto.hex("foo\255")`:                                          "666f6fff",
		`crypto.from_hex("666F6f")`:                                      "foo",
		`crypto.equal("secret", "secret")`:                               "true",
		`crypto.equal("secret", "secret ")`:                              "false",
		`crypto.equal("", "x")`:                                          "false",
		`#crypto.random(16)`:                                             "32",
		`#crypto.random(1024, "bytes")`:                                  "1024",
		`crypto.random(16) == crypto.random(16)`:                         "false",
		`crypto.uuid():match("^%x+%-%x+%-4%x+%-[89ab]%x+%-%x+$") ~= nil`: "true",

		`select(2, crypto.from_base64("Zm9vYmE=="))`:  "not base64", // too much padding
		`select(2, crypto.from_base64("Zm9vYmF="))`:   "not base64", // bits that are not zero: a second text for the same bytes
		`select(2, crypto.from_base64("Zm9v\nYmE="))`: "not base64",
		`select(2, crypto.from_base64("-_/+"))`:       "not base64", // two alphabets
		`select(2, crypto.from_base64("===="))`:       "not base64",
		`select(2, crypto.from_hex("6"))`:             "not hexadecimal",
		`select(2, crypto.from_hex("zz"))`:            "not hexadecimal",
	} {
		if err := L.DoString("return " + source); err != nil {
			t.Errorf("%s: %v", source, err)
		} else if got := L.Get(-1).String(); got != want {
			t.Errorf("%s = %s, want %s", source, got, want)
		}
	}
	for source, want := range map[string]string{
		`crypto.hmac("md5", "key", "text")`:          `"sha256", "sha384", "sha512" or "sha1" expected`,
		`crypto.sha256("text", "raw")`:               `"hex", "base64", "base64url" or "bytes" expected`,
		`crypto.random(0)`:                           "a whole number from 1 to 1024 expected",
		`crypto.random(1.5)`:                         "a whole number from 1 to 1024 expected",
		`crypto.random(0/0)`:                         "a whole number from 1 to 1024 expected",
		`crypto.random(2^40)`:                        "a whole number from 1 to 1024 expected",
		`crypto.hex(("x"):rep(8 * 1024 * 1024 + 1))`: "at most 8388608 are allowed",
	} {
		if err := L.DoString("return " + source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", source, err, want)
		}
	}
}
