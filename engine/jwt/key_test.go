package jwt

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// pair is a private key with its forms in PEM.
type pair struct{ private, public string }

func newPair(tb testing.TB, private, public any) pair {
	tb.Helper()
	inner, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	outer, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		tb.Fatal(err)
	}
	return pair{
		private: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: inner})),
		public:  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: outer})),
	}
}

func newRSA(tb testing.TB, bits int) pair {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		tb.Fatal(err)
	}
	return newPair(tb, key, &key.PublicKey)
}

func newEC(tb testing.TB, curve elliptic.Curve) pair {
	tb.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return newPair(tb, key, &key.PublicKey)
}

func newEd25519(tb testing.TB) pair {
	tb.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return newPair(tb, private, public)
}

func parse(tb testing.TB, text, id string) Key {
	tb.Helper()
	k, err := ParseKey(text, id)
	if err != nil {
		tb.Fatalf("ParseKey(%.30q) = %v", text, err)
	}
	return k
}

// jwkOf returns the public key of a pair as a JSON Web Key.
func jwkOf(tb testing.TB, p pair) string {
	tb.Helper()
	public, ok := parse(tb, p.public, "").public.(*ecdsa.PublicKey)
	if !ok {
		tb.Fatal("the pair has no EC key")
	}
	point, err := public.Bytes()
	if err != nil {
		tb.Fatal(err)
	}
	half := len(point) / 2
	return fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q}`, part(string(point[1:half+1])), part(string(point[half+1:])))
}

// The kid of a token selects the key, so that keys can be replaced one after the other.
func TestKeyIDs(t *testing.T) {
	t.Parallel()
	old, next := parse(t, "old: "+secret, "2025"), parse(t, "new: "+secret, "2026")
	unnamed := parse(t, "new: "+secret, "")
	e := Expected{Now: now()}
	for _, row := range []struct {
		signer Key
		keys   []Key
		want   error
	}{
		{next, []Key{old, next}, nil},
		{old, []Key{old, next}, nil},
		{next, []Key{old}, ErrUnknownKey},
		{unnamed, []Key{old, next}, nil}, // all are tried
		{next, []Key{unnamed}, nil},
		{parse(t, "old: "+secret, "2026"), []Key{old, next}, ErrSignature},
	} {
		if _, err := Verify(sign(t, `{}`, row.signer, "", ""), row.keys, e); !errors.Is(err, row.want) {
			t.Errorf("kid %q of %d keys: Verify = %v, want %v", row.signer.id, len(row.keys), err, row.want)
		}
	}
}

// The keys of a set that are for something else are skipped.
func TestParseSet(t *testing.T) {
	t.Parallel()
	ec := newEC(t, elliptic.P256())
	named := strings.Replace(jwkOf(t, ec), `{`, `{"kid":"a","use":"sig","alg":"ES256",`, 1)
	encryption := strings.Replace(jwkOf(t, newEC(t, elliptic.P256())), `{`, `{"kid":"b","use":"enc",`, 1)
	set := `{"keys":[{"kty":"new","kid":"c"},` + encryption + `,{"kty":"RSA","n":"AQ","e":"AQAB"},` + named + `]}`
	keys, err := ParseSet([]byte(set))
	if err != nil || len(keys) != 1 || keys[0].id != "a" {
		t.Fatalf("ParseSet = %d keys, %v, want the key a", len(keys), err)
	}
	if _, err := Verify(sign(t, `{}`, parse(t, ec.private, "a"), "", ""), keys, Expected{Now: now()}); err != nil {
		t.Errorf("Verify = %v, want nil", err)
	}
	for _, text := range []string{`{}`, `[]`, `{"keys":[]}`, `{"keys":[` + encryption + `]}`} {
		if _, err := ParseSet([]byte(text)); err == nil {
			t.Errorf("ParseSet(%s) = nil, want an error", text)
		}
	}
}

// Weak and unreadable keys are refused, and their text is in no error.
func TestKeysThatAreRefused(t *testing.T) {
	t.Parallel()
	small := newRSA(t, 1024)
	ec := newEC(t, elliptic.P224())
	cut := newRSA(t, 2048).public
	for text, want := range map[string]string{
		"":               "a secret of 0 bytes can be guessed",
		"S3CRET-canary":  "a secret of 13 bytes can be guessed; 32 at least are needed",
		small.public:     "an RSA key of 1024 bits is too short",
		ec.public:        "the curve P-224 has no algorithm",
		cut[:len(cut)/2]: "not complete PEM",
		"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n":           "cannot be read",
		"-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n": `"DSA PRIVATE KEY" is not the kind`,
		"ssh-ed25519 AAAAC3NzaC1lZDI1 S3CRET-canary-S3CRET-canary":               "the format of SSH",
		`{"kty":"oct","k":"S3CRET-canary%"}`:                                     "not a JSON Web Key",
		`{"kty":"oct","alg":"none","k":"` + part(secret) + `"}`:                  "not a JSON Web Key",
		`{"kty":"oct","alg":"RS256","k":"` + part(secret) + `"}`:                 "not a JSON Web Key",
		`{"S3CRET-canary-S3CRET-canary-S3CRET-canary`:                            "not a JSON Web Key",
	} {
		if _, err := ParseKey(text, ""); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("ParseKey(%.40q) = %v, want an error with %q", text, err, want)
		}
	}
	k := parse(t, secret, "")
	for _, algorithms := range [][]string{{"none"}, {"HS256", "none"}, {"RS256"}, {"HS512"}, {"hs256"}} {
		if err := CheckAlgorithms([]Key{k}, algorithms); err == nil {
			t.Errorf("CheckAlgorithms(%q) of a secret = nil, want an error", algorithms)
		}
	}
}
