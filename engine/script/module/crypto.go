package module

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // services that sign their webhooks with it cannot be checked otherwise
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
	"perigee/engine/script/operator"
	"perigee/engine/wire"
)

// maxRandom is the most bytes that crypto.random returns: more than any key or token has.
const maxRandom = 1024

// Crypto is the module crypto.
func Crypto() api.Module {
	return api.Module{
		Name: "crypto", Doc: "Hashes, signatures, random tokens, and their forms as text.", Yields: true,
		Functions: append(hashFunctions(), encodingFunctions()...),
	}
}

func hashFunctions() []api.Function {
	return []api.Function{
		{
			Name: "sha256", Signature: "(text: string, format?: perigee.BytesFormat): string",
			Doc: "Returns the SHA-256 hash of a text. It is hexadecimal unless format is another: \"base64\", \"base64url\", or \"bytes\" for the 32 bytes themselves. Do not store passwords like this: a hash that is quick to compute is quick to guess.",
			Run: func(L *lua.LState) int {
				sum := sha256.Sum256([]byte(L.CheckString(1)))
				return pushBytes(L, sum[:], 2)
			},
		},
		{
			Name: "hmac", Signature: "(algorithm: \"sha256\"|\"sha384\"|\"sha512\"|\"sha1\", key: string, text: string, format?: perigee.BytesFormat): string",
			Doc: "Returns the HMAC of a text: a signature that only who knows the key can make. Compare it with crypto.equal. The format is that of crypto.sha256. Take sha256; sha1 is for services that know nothing else.",
			Run: func(L *lua.LState) int {
				algorithm := hashNamed(L.CheckString(1))
				if algorithm == nil {
					L.ArgError(1, `"sha256", "sha384", "sha512" or "sha1" expected`)
				}
				mac := hmac.New(algorithm, []byte(L.CheckString(2)))
				mac.Write([]byte(L.CheckString(3)))
				return pushBytes(L, mac.Sum(nil), 4)
			},
		},
		{
			Name: "random", Signature: "(bytes: integer, format?: perigee.BytesFormat): string",
			Doc: "Returns that many bytes, 1 to 1,024, that nobody can guess. The format is that of crypto.sha256: crypto.random(16) has 32 hexadecimal digits. 16 bytes make a token.",
			Run: func(L *lua.LState) int {
				n := L.CheckNumber(1)
				if !(n >= 1 && n <= maxRandom) || n != lua.LNumber(int(n)) {
					L.ArgError(1, fmt.Sprintf("a whole number from 1 to %d expected", maxRandom))
				}
				bytes := make([]byte, int(n))
				_, _ = rand.Read(bytes) // never fails
				return pushBytes(L, bytes, 2)
			},
		},
		{
			Name: "equal", Signature: "(a: string, b: string): boolean",
			Doc: "Reports whether two texts are equal. It takes the same time wherever they differ, so that nobody can find a secret byte by byte, as with ==.",
			Run: func(L *lua.LState) int {
				a, b := sha256.Sum256([]byte(L.CheckString(1))), sha256.Sum256([]byte(L.CheckString(2)))
				return api.Push(L, lua.LBool(subtle.ConstantTimeCompare(a[:], b[:]) == 1))
			},
		},
		{
			Name: "uuid", Signature: "(): string",
			Doc: "Returns a new random UUID that nobody can guess. Those of server.uuid, and of messages and connections, are names and no secrets.",
			Run: func(L *lua.LState) int { return api.Push(L, lua.LString(wire.NewSecretID())) },
		},
	}
}

func encodingFunctions() []api.Function {
	return []api.Function{
		{
			Name: "hex", Signature: "(bytes: string): string", Doc: "Returns bytes as hexadecimal digits in lower case.",
			Run: func(L *lua.LState) int { return pushFormatted(L, []byte(L.CheckString(1)), "hex") },
		},
		{
			Name: "base64", Signature: "(bytes: string): string", Doc: "Returns bytes as base64 with padding (RFC 4648, 4).",
			Run: func(L *lua.LState) int { return pushFormatted(L, []byte(L.CheckString(1)), "base64") },
		},
		{
			Name: "base64url", Signature: "(bytes: string): string",
			Doc: "Returns bytes as base64 with - and _ and without padding (RFC 4648, 5), which needs no escaping in URLs and is what tokens have.",
			Run: func(L *lua.LState) int { return pushFormatted(L, []byte(L.CheckString(1)), "base64url") },
		},
		{
			Name: "from_hex", Signature: "(text: string): string?, string?",
			Doc: "Returns the bytes of hexadecimal digits in lower or upper case, or nil and a reason.",
			Run: func(L *lua.LState) int {
				bytes, err := hex.DecodeString(L.CheckString(1))
				if err != nil {
					err = errors.New("not hexadecimal")
				}
				return api.PushResult(L, lua.LString(bytes), err)
			},
		},
		{
			Name: "from_base64", Signature: "(text: string): string?, string?",
			Doc: "Returns the bytes of base64 in either alphabet, with padding or without, or nil and a reason. White space and unused bits that are not zero are refused, so that two texts never have the same bytes.",
			Run: func(L *lua.LState) int {
				bytes, err := decodeBase64(L.CheckString(1))
				return api.PushResult(L, lua.LString(bytes), err)
			},
		},
	}
}

// hashNamed returns the hash function of that name, or nil.
func hashNamed(algorithm string) func() hash.Hash {
	switch algorithm {
	case "sha256":
		return sha256.New
	case "sha384":
		return sha512.New384
	case "sha512":
		return sha512.New
	case "sha1":
		return sha1.New
	}
	return nil
}

// decodeBase64 returns the bytes of base64 in either alphabet. Decoders of Go skip line ends, which is why it looks for them.
func decodeBase64(text string) ([]byte, error) {
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	unpadded := strings.TrimRight(text, "=")
	if padding := len(text) - len(unpadded); strings.ContainsAny(text, "\r\n") || padding > 2 || padding > 0 && len(text)%4 != 0 {
		return nil, errors.New("not base64")
	}
	bytes, err := encoding.Strict().DecodeString(unpadded)
	if err != nil {
		return nil, errors.New("not base64")
	}
	return bytes, nil
}

// pushBytes returns bytes to Lua in the format that the n-th argument names, hexadecimal if it is nil.
func pushBytes(L *lua.LState, bytes []byte, n int) int {
	format := L.OptString(n, "hex")
	switch format {
	case "hex", "base64", "base64url", "bytes":
		return pushFormatted(L, bytes, format)
	}
	L.ArgError(n, `"hex", "base64", "base64url" or "bytes" expected`)
	return 0
}

// pushFormatted returns bytes to Lua in a format.
func pushFormatted(L *lua.LState, bytes []byte, format string) int {
	if len(bytes) > operator.MaxString/2 {
		L.RaiseError("%d bytes are too many to encode; at most %d are allowed", len(bytes), operator.MaxString/2)
	}
	text := string(bytes)
	switch format {
	case "hex":
		text = hex.EncodeToString(bytes)
	case "base64":
		text = base64.StdEncoding.EncodeToString(bytes)
	case "base64url":
		text = base64.RawURLEncoding.EncodeToString(bytes)
	}
	return api.Push(L, lua.LString(text))
}
