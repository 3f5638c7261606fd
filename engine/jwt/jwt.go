// Package jwt owns JSON Web Tokens (RFC 7519): it signs claims and verifies tokens, after the current practices for them (RFC 8725).
// It must not know where keys come from, nor what claims mean to an application.
//
// A key decides which algorithms it takes part in, never a token: the text of a public key is no secret, whatever the token says.
// Headers of a token that bring a key or lead to one are ignored.
package jwt

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json" // unlike the standard library's, it refuses a name that stands twice, and knows one spelling
	"github.com/go-jose/go-jose/v4/jwt"
)

// maxToken is the longest token that is read, in bytes: those of identity providers have at most some 10 KiB.
const maxToken = 64 << 10

// Reasons why a token is refused, for programs.
var (
	ErrMalformed   = errors.New("malformed")
	ErrAlgorithm   = errors.New("algorithm not allowed")
	ErrUnknownKey  = errors.New("unknown key")
	ErrSignature   = errors.New("wrong signature")
	ErrType        = errors.New("wrong type")
	ErrIssuer      = errors.New("wrong issuer")
	ErrAudience    = errors.New("wrong audience")
	ErrExpired     = errors.New("expired")
	ErrNotValidYet = errors.New("not valid yet")
)

// Expected says which tokens are accepted.
type Expected struct {
	// Algorithms restrict those of the keys. Optional: without them, each key has one.
	Algorithms []string
	// Issuers and Audiences are the accepted ones. A token for an audience is refused without Audiences (RFC 7519, 4.1.3).
	Issuers, Audiences []string
	// Type is the header typ (RFC 8725, 3.11). Optional.
	Type string
	// Now is the time; the claims exp, nbf and iat may be off by Leeway.
	Now    time.Time
	Leeway time.Duration
}

// Verify returns the claims of a token, a JSON object, if one of the keys has signed it and it is what is expected. The error is
// one of the reasons above.
func Verify(token string, keys []Key, e Expected) (claims []byte, err error) {
	if !isCompact(token) {
		return nil, ErrMalformed
	}
	var allowed []jose.SignatureAlgorithm
	for _, k := range keys {
		allowed = append(allowed, k.allowed(e.Algorithms)...)
	}
	if len(allowed) == 0 {
		return nil, ErrAlgorithm
	}
	signed, err := jose.ParseSignedCompact(token, allowed)
	if unexpected := (*jose.ErrUnexpectedSignatureAlgorithm)(nil); errors.As(err, &unexpected) {
		return nil, ErrAlgorithm
	} else if err != nil {
		return nil, ErrMalformed
	}
	header := signed.Signatures[0].Protected
	for _, extension := range []jose.HeaderKey{"crit", "b64"} { // RFC 7515, 4.1.11; RFC 7797, 7
		if _, given := header.ExtraHeaders[extension]; given {
			return nil, ErrMalformed
		}
	}
	if claims, err = verifySignature(signed, header, keys, e.Algorithms); err != nil {
		return nil, err
	}
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); e.Type != "" && mediaType(typ) != mediaType(e.Type) {
		return nil, ErrType
	}
	if err := e.check(claims); err != nil {
		return nil, err
	}
	return claims, nil
}

// verifySignature returns the claims if one of the keys has signed them. A key with an id verifies only tokens that name it, or none.
func verifySignature(signed *jose.JSONWebSignature, header jose.Header, keys []Key, algorithms []string) ([]byte, error) {
	err := ErrUnknownKey
	for _, k := range keys {
		if k.id != "" && header.KeyID != "" && k.id != header.KeyID {
			continue
		}
		if !slices.Contains(k.allowed(algorithms), jose.SignatureAlgorithm(header.Algorithm)) {
			continue
		}
		if claims, failed := signed.Verify(k.public); failed == nil {
			return claims, nil
		}
		err = ErrSignature
	}
	return nil, err
}

// isCompact reports whether a text has the form of a signed token. Decoders of Go skip line ends, and bits that no byte has, so
// one token could be written in many ways.
func isCompact(token string) bool {
	parts := strings.Split(token, ".")
	if len(token) > maxToken || len(parts) != 3 || strings.ContainsAny(token, "\r\n") {
		return false
	}
	return !slices.ContainsFunc(parts, func(part string) bool {
		_, err := base64.RawURLEncoding.Strict().DecodeString(part)
		return err != nil
	})
}

// mediaType returns a value of the header typ in the form in which two of them are compared (RFC 7515, 4.1.9).
func mediaType(typ string) string { return strings.TrimPrefix(strings.ToLower(typ), "application/") }

// check checks the claims of a token whose signature is right.
func (e Expected) check(text []byte) error {
	var claims jwt.Claims
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) || json.Unmarshal(text, &claims) != nil {
		return ErrMalformed
	}
	switch isExpected := func(audience string) bool { return slices.Contains(e.Audiences, audience) }; {
	case len(e.Issuers) > 0 && !slices.Contains(e.Issuers, claims.Issuer):
		return ErrIssuer
	case (len(e.Audiences) > 0 || claims.Audience != nil) && !slices.ContainsFunc(claims.Audience, isExpected):
		return ErrAudience
	case claims.Expiry != nil && !e.Now.Add(-e.Leeway).Before(claims.Expiry.Time()):
		return ErrExpired
	case claims.NotBefore != nil && e.Now.Add(e.Leeway).Before(claims.NotBefore.Time()),
		claims.IssuedAt != nil && e.Now.Add(e.Leeway).Before(claims.IssuedAt.Time()):
		return ErrNotValidYet
	}
	return nil
}

// Sign returns a token with the claims, a JSON object, signed by a key. An empty algorithm means the first of the key's, and an empty
// type means "JWT".
func Sign(claims []byte, k Key, algorithm, typ string) (string, error) {
	if k.private == nil {
		return "", errors.New("the key is public: it verifies tokens and cannot sign any")
	}
	var restrict []string
	if algorithm != "" {
		restrict = []string{algorithm}
	}
	if err := CheckAlgorithms([]Key{k}, restrict); err != nil {
		return "", err
	}
	options := (&jose.SignerOptions{}).WithType(jose.ContentType(cmp.Or(typ, "JWT")))
	if k.id != "" {
		options.WithHeader("kid", k.id)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: k.allowed(restrict)[0], Key: k.private}, options)
	if err != nil {
		return "", fmt.Errorf("jwt: %w", err)
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		return "", fmt.Errorf("jwt: %w", err)
	}
	return signed.CompactSerialize()
}
