package jwt

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// minRSA is the smallest modulus of an RSA key, in bits (RFC 7518, 3.3).
const minRSA = 2048

// Key signs or verifies tokens. It must not be printed: it may hold a secret.
type Key struct {
	id      string
	public  any // []byte of a secret, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	private any // nil if only the public part is known
	// algorithms are those that the key can take part in. The first is the one that it has if nothing else is said.
	algorithms []jose.SignatureAlgorithm
}

// ParseKey reads a key: a JSON Web Key (RFC 7517), a key or certificate in PEM, whose lines may be joined by \n as in variables of
// the environment, or else a secret. Errors do not contain the text. id is the key's name in tokens; "" is that of a JSON Web Key, or none.
func ParseKey(text, id string) (Key, error) {
	switch trimmed := strings.TrimSpace(text); {
	case strings.Contains(text, "-----BEGIN "):
		return parsePEM(text, id)
	case strings.HasPrefix(trimmed, "{"):
		return parseJWK([]byte(trimmed), id)
	case strings.HasPrefix(trimmed, "ssh-"), strings.HasPrefix(trimmed, "ecdsa-sha2-"):
		return Key{}, errors.New("the key has the format of SSH; PEM is needed, as ssh-keygen -e -m PKCS8 writes it")
	default:
		return newKey([]byte(text), id)
	}
}

func parsePEM(text, id string) (Key, error) {
	if !strings.Contains(text, "\n") {
		text = strings.ReplaceAll(text, `\n`, "\n")
	}
	for rest := []byte(text); ; {
		block, following := pem.Decode(rest)
		if block == nil {
			return Key{}, errors.New("the key is not complete PEM: a line BEGIN, base64, and a line END are needed")
		}
		if rest = following; block.Type == "EC PARAMETERS" { // openssl writes them before the key
			continue
		}
		material, err := parseBlock(block)
		if err != nil {
			return Key{}, fmt.Errorf("the key in PEM cannot be read: %w", err)
		}
		return newKey(material, id)
	}
}

func parseBlock(block *pem.Block) (any, error) {
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return certificate.PublicKey, nil
	case "PRIVATE KEY":
		return x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		return x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("%q is not the kind of a key that is known", block.Type)
	}
}

// errNoJWK is the error of a JSON Web Key that is not understood. The cause might show a part of the key.
var errNoJWK = errors.New("the key is not a JSON Web Key for signatures")

func parseJWK(text []byte, id string) (Key, error) {
	var read jose.JSONWebKey
	if err := json.Unmarshal(text, &read); err != nil || read.Use != "" && read.Use != "sig" {
		return Key{}, errNoJWK
	}
	k, err := newKey(read.Key, cmp.Or(id, read.KeyID))
	if err != nil {
		return Key{}, err
	}
	if read.Algorithm != "" {
		k.algorithms = k.allowed([]string{read.Algorithm})
		if len(k.algorithms) == 0 {
			return Key{}, errNoJWK
		}
	}
	return k, nil
}

// ParseSet reads a JSON Web Key Set (RFC 7517, 5). It skips the keys that cannot verify tokens here, as a set may have them for
// others, and returns an error if no key is left.
func ParseSet(text []byte) (keys []Key, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("the keys are not a JSON Web Key Set")
	}
	for _, one := range set.Keys {
		if k, err := parseJWK(one, ""); err == nil {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the JSON Web Key Set has no key for signatures")
	}
	return keys, nil
}

// newKey returns the key of a secret, or of a key of the standard library.
func newKey(material any, id string) (Key, error) {
	k := Key{id: id, public: material}
	if pair, ok := material.(interface{ Public() crypto.PublicKey }); ok {
		k.public, k.private = pair.Public(), material
	}
	switch public := k.public.(type) {
	case []byte:
		k.private = public
		for _, a := range []jose.SignatureAlgorithm{jose.HS256, jose.HS384, jose.HS512} {
			if len(public) >= minSecret(a) {
				k.algorithms = append(k.algorithms, a)
			}
		}
		if k.algorithms == nil {
			return Key{}, fmt.Errorf("a secret of %d bytes can be guessed; %d at least are needed (RFC 7518, 3.2), crypto.random(32) makes one", len(public), minSecret(jose.HS256))
		}
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < minRSA {
			return Key{}, fmt.Errorf("an RSA key of %d bits is too short; %d at least are needed (RFC 7518, 3.3)", bits, minRSA)
		}
		k.algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}
	case *ecdsa.PublicKey:
		byCurve := map[string]jose.SignatureAlgorithm{"P-256": jose.ES256, "P-384": jose.ES384, "P-521": jose.ES512}
		a, known := byCurve[public.Curve.Params().Name]
		if !known {
			return Key{}, fmt.Errorf("the curve %s has no algorithm", public.Curve.Params().Name)
		}
		k.algorithms = []jose.SignatureAlgorithm{a}
	case ed25519.PublicKey:
		k.algorithms = []jose.SignatureAlgorithm{jose.EdDSA}
	default:
		return Key{}, errors.New("the key is of a kind that signs no tokens; RSA, EC, Ed25519 or a secret is needed")
	}
	return k, nil
}

// minSecret returns the shortest secret of an algorithm, in bytes: the size of its hash (RFC 7518, 3.2).
func minSecret(a jose.SignatureAlgorithm) int {
	switch a {
	case jose.HS384:
		return 48
	case jose.HS512:
		return 64
	default:
		return 32
	}
}

// allowed returns the algorithms of the key among some. Without any, it is the key's first one (RFC 8725, 3.1: one key has one
// algorithm).
func (k Key) allowed(among []string) []jose.SignatureAlgorithm {
	if len(among) == 0 {
		return k.algorithms[:1]
	}
	return slices.DeleteFunc(slices.Clone(k.algorithms), func(a jose.SignatureAlgorithm) bool { return !slices.Contains(among, string(a)) })
}

// CheckAlgorithms returns an error if one of some algorithms is unknown, or if no key can take part in any of them.
func CheckAlgorithms(keys []Key, among []string) error {
	known := []string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
	for _, a := range among {
		if !slices.Contains(known, a) {
			return fmt.Errorf("%q is not an algorithm that is allowed; there are: %s", a, strings.Join(known, ", "))
		}
	}
	var own []jose.SignatureAlgorithm
	for _, k := range keys {
		if len(k.allowed(among)) > 0 {
			return nil
		}
		own = append(own, k.algorithms...)
	}
	return fmt.Errorf("the key has %s, which is not among the algorithms %s", strings.Trim(fmt.Sprint(own), "[]"), strings.Join(among, ", "))
}
