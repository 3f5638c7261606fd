package jwt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// secret is a secret of the shortest length.
const secret = "a secret of 32 bytes, not fewer!"

// now is the time of the tests.
func now() time.Time { return time.Unix(1_795_384_421, 0) }

func sign(tb testing.TB, claims string, k Key, algorithm, typ string) string {
	tb.Helper()
	token, err := Sign([]byte(claims), k, algorithm, typ)
	if err != nil {
		tb.Fatalf("Sign = %v", err)
	}
	return token
}

// part returns a part of a token.
func part(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// forge returns a token with a header and claims as they stand, signed by HS256 with a key.
func forge(header, claims, key string) string {
	signed := part(header) + "." + part(claims)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(signed))
	return signed + "." + part(string(mac.Sum(nil)))
}

// A token that a key has signed is verified by that key and its public part, and by no other.
func TestSignAndVerify(t *testing.T) {
	t.Parallel()
	long := parse(t, strings.Repeat(secret, 2), "")
	r, ed := newRSA(t, 2048), newEd25519(t)
	p256, p384, p521 := newEC(t, elliptic.P256()), newEC(t, elliptic.P384()), newEC(t, elliptic.P521())
	var all []Key
	rows := []struct {
		algorithm       string
		private, public Key
	}{
		{"HS256", long, long},
		{"HS384", long, long},
		{"HS512", long, long},
		{"RS256", parse(t, r.private, ""), parse(t, r.public, "")},
		{"RS384", parse(t, r.private, ""), parse(t, strings.ReplaceAll(r.public, "\n", `\n`), "")},
		{"RS512", parse(t, r.private, ""), parse(t, "# a comment\n"+r.public, "")},
		{"PS256", parse(t, r.private, ""), parse(t, r.private, "")},
		{"ES256", parse(t, p256.private, ""), parse(t, p256.public, "")},
		{"ES384", parse(t, p384.private, ""), parse(t, p384.public, "")},
		{"ES512", parse(t, p521.private, ""), parse(t, p521.public, "")},
		{"EdDSA", parse(t, ed.private, ""), parse(t, ed.public, "")},
	}
	for _, row := range rows {
		all = append(all, row.public)
	}
	for _, row := range rows {
		e := Expected{Algorithms: []string{row.algorithm}, Now: now()}
		token := sign(t, `{"sub":"7"}`, row.private, row.algorithm, "")
		if claims, err := Verify(token, []Key{row.public}, e); err != nil || string(claims) != `{"sub":"7"}` {
			t.Errorf("%s: Verify = %s, %v, want the claims", row.algorithm, claims, err)
		}
		if _, err := Verify(token, all, e); err != nil {
			t.Errorf("%s: Verify with all keys = %v, want nil", row.algorithm, err)
		}
		if _, err := Sign([]byte("{}"), row.public, row.algorithm, ""); err == nil && row.public.private == nil {
			t.Errorf("%s: a public key has signed", row.algorithm)
		}
		for _, other := range []Key{parse(t, newRSA(t, 2048).public, ""), parse(t, newEC(t, elliptic.P256()).public, ""), parse(t, secret, "")} {
			if claims, err := Verify(token, []Key{other}, Expected{Algorithms: []string{"HS256", "RS256", "ES256"}, Now: now()}); err == nil {
				t.Errorf("%s: Verify with another key = %s, want an error", row.algorithm, claims)
			}
		}
	}
}

// The example of RFC 7515, A.1, whose header and claims have line ends.
func TestExample(t *testing.T) {
	t.Parallel()
	const token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	k := parse(t, `{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}`, "")
	e := Expected{Issuers: []string{"joe"}, Now: time.Unix(1_300_819_379, 0)}
	if _, err := Verify(token, []Key{k}, e); err != nil {
		t.Errorf("Verify = %v, want nil", err)
	}
	e.Now = e.Now.Add(time.Second)
	if _, err := Verify(token, []Key{k}, e); !errors.Is(err, ErrExpired) {
		t.Errorf("Verify at the time of exp = %v, want %v", err, ErrExpired)
	}
}

// Forged and misused tokens are refused: the attacks of RFC 8725, section 2, and others of their kind.
func TestAttacks(t *testing.T) {
	t.Parallel()
	r, ec, foreign := newRSA(t, 2048), newEC(t, elliptic.P256()), newEC(t, elliptic.P256())
	k, public := parse(t, secret, ""), parse(t, r.public, "")
	every := Expected{Algorithms: []string{"HS256", "HS512", "RS256", "ES256", "EdDSA"}, Now: now()}
	good := sign(t, `{"sub":"7"}`, k, "", "")
	header, rest, _ := strings.Cut(good, ".")
	claims, signature, _ := strings.Cut(rest, ".")
	block, _ := pem.Decode([]byte(r.public))
	zeros := part(string(make([]byte, 64)))
	jwk := fmt.Sprintf(`{"alg":"ES256","jwk":%s}`, jwkOf(t, foreign))
	for _, row := range []struct {
		name, token string
		key         Key
		want        error
	}{
		// 2.1: weak signatures, and the algorithm of another key.
		{"none", part(`{"alg":"none"}`) + "." + claims + ".", k, ErrAlgorithm},
		{"None", part(`{"alg":"nOnE"}`) + "." + claims + "." + signature, k, ErrAlgorithm},
		{"none for a public key", part(`{"alg":"none"}`) + "." + claims + ".", public, ErrAlgorithm},
		{"no algorithm", forge(`{"typ":"JWT"}`, `{}`, secret), k, ErrAlgorithm},
		{"an empty algorithm", forge(`{"alg":""}`, `{}`, secret), k, ErrAlgorithm},
		{"an algorithm in lower case", forge(`{"alg":"hs256"}`, `{}`, secret), k, ErrAlgorithm},
		{"an algorithm that is a list", forge(`{"alg":["HS256"]}`, `{}`, secret), k, ErrAlgorithm},
		{"the text of a public key as a secret", forge(`{"alg":"HS256"}`, `{}`, r.public), public, ErrAlgorithm},
		{"its text without the last line end", forge(`{"alg":"HS256"}`, `{}`, strings.TrimSpace(r.public)), public, ErrAlgorithm},
		{"its bytes as a secret", forge(`{"alg":"HS256"}`, `{}`, string(block.Bytes)), public, ErrAlgorithm},
		{"an empty secret", forge(`{"alg":"HS256"}`, `{}`, ""), k, ErrSignature},
		{"no signature", header + "." + claims + ".", k, ErrSignature},
		{"a signature of zeros", part(`{"alg":"ES256"}`) + "." + claims + "." + zeros, parse(t, ec.public, ""), ErrSignature},
		{"a shorter signature", header + "." + claims + "." + part("short"), k, ErrSignature},
		{"other claims", header + "." + part(`{"sub":"8"}`) + "." + signature, k, ErrSignature},
		{"an algorithm that is not that of the alg of the key", sign(t, `{}`, parse(t, strings.Repeat(secret, 2), ""), "HS512", ""), parse(t, `{"kty":"oct","alg":"HS256","k":"`+part(secret+secret)+`"}`, ""), ErrAlgorithm},
		// 2.3 to 2.5: encrypted tokens are not tokens here.
		{"an encrypted token", part(`{"alg":"dir","enc":"A128GCM"}`) + ".." + part("iv") + "." + part("text") + "." + part("tag"), k, ErrMalformed},
		{"PBES2 with endless work", part(`{"alg":"PBES2-HS256+A128KW","p2c":2147483647,"enc":"A128GCM"}`) + ".a.a.a.a", k, ErrMalformed},
		// 2.6: many ways to write one text.
		{"an algorithm that stands twice", forge(`{"alg":"none","alg":"HS256"}`, `{}`, secret), k, ErrMalformed},
		{"a claim that stands twice", forge(`{"alg":"HS256"}`, `{"sub":"7","sub":"8"}`, secret), k, ErrMalformed},
		{"another spelling of alg", forge(`{"ALG":"HS256"}`, `{}`, secret), k, ErrAlgorithm},
		{"UTF-16", forge(`{"alg":"HS256"}`, "\xff\xfe{\x00}\x00", secret), k, ErrMalformed},
		{"a line end", good[:20] + "\n" + good[20:], k, ErrMalformed},
		{"a space", good + " ", k, ErrMalformed},
		{"padding", good + "=", k, ErrMalformed},
		{"other unused bits", good[:len(good)-1] + string(good[len(good)-1]+1), k, ErrMalformed},
		{"JSON serialization", `{"payload":"` + claims + `","protected":"` + header + `","signature":"` + signature + `"}`, k, ErrMalformed},
		{"four parts", good + ".", k, ErrMalformed},
		{"two parts", header + "." + claims, k, ErrMalformed},
		{"nothing", "", k, ErrMalformed},
		{"an endless text", strings.Repeat("a", maxToken) + good, k, ErrMalformed},
		// 2.9, 2.10: headers that bring a key, lead to one, or change what is signed.
		{"a key in the header", signedBy(t, foreign, jwk), parse(t, ec.public, ""), ErrSignature},
		{"a key in the header, and none that fits", signedBy(t, foreign, jwk), public, ErrAlgorithm},
		{"the address of a key", signedBy(t, foreign, `{"alg":"ES256","jku":"http://127.0.0.1:1/keys","x5u":"http://127.0.0.1:1/certificate"}`), parse(t, ec.public, ""), ErrSignature},
		{"a path as the name of the key", forge(`{"alg":"HS256","kid":"../../dev/null"}`, `{}`, ""), parse(t, secret, "2026"), ErrUnknownKey},
		{"an extension that is critical", forge(`{"alg":"HS256","crit":["x"],"x":1}`, `{}`, secret), k, ErrMalformed},
		{"claims that are not encoded", forge(`{"alg":"HS256","crit":["b64"],"b64":false}`, `{}`, secret), k, ErrMalformed},
		// Claims.
		{"claims that are a list", forge(`{"alg":"HS256"}`, `[]`, secret), k, ErrMalformed},
		{"claims that are null", forge(`{"alg":"HS256"}`, `null`, secret), k, ErrMalformed},
		{"exp as text", forge(`{"alg":"HS256"}`, `{"exp":"9999999999"}`, secret), k, ErrMalformed},
		{"exp beyond all numbers", forge(`{"alg":"HS256"}`, `{"exp":1e400}`, secret), k, ErrMalformed},
		{"nbf that wraps around", forge(`{"alg":"HS256"}`, `{"nbf":9223372036854775807}`, secret), k, ErrMalformed},
		{"exp long ago", forge(`{"alg":"HS256"}`, `{"exp":-1}`, secret), k, ErrExpired},
	} {
		if got, err := Verify(row.token, []Key{row.key}, every); !errors.Is(err, row.want) || got != nil {
			t.Errorf("%s: Verify = %s, %v, want %v", row.name, got, err, row.want)
		}
	}
	if got, err := Verify(good, []Key{k}, every); err != nil {
		t.Errorf("Verify = %s, %v, want the claims of the token that the others are made from", got, err)
	}
}

// signedBy returns a token with that header and the claims {}, signed by ES256.
func signedBy(tb testing.TB, p pair, header string) string {
	tb.Helper()
	private, ok := parse(tb, p.private, "").private.(*ecdsa.PrivateKey)
	if !ok {
		tb.Fatal("the pair has no EC key")
	}
	signed := part(header) + "." + part("{}")
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
	if err != nil {
		tb.Fatal(err)
	}
	return signed + "." + part(string(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)))
}

// A token for another purpose, of another issuer, for another audience or of another time is refused (RFC 8725, 2.7 and 2.8).
func TestExpected(t *testing.T) {
	t.Parallel()
	k := parse(t, secret, "")
	at := now().Unix()
	both, none := []string{"a", "b"}, []string(nil)
	for _, row := range []struct {
		claims, typ string
		e           Expected
		want        error
	}{
		{`{}`, "", Expected{}, nil},
		{`{"iss":"a"}`, "", Expected{}, nil},
		{`{"iss":"a"}`, "", Expected{Issuers: both}, nil},
		{`{"iss":"c"}`, "", Expected{Issuers: both}, ErrIssuer},
		{`{"iss":"A"}`, "", Expected{Issuers: both}, ErrIssuer},
		{`{}`, "", Expected{Issuers: both}, ErrIssuer},
		{`{"iss":""}`, "", Expected{Issuers: both}, ErrIssuer},
		{`{"iss":["a"]}`, "", Expected{Issuers: both}, ErrMalformed},
		{`{"aud":"b"}`, "", Expected{Audiences: both}, nil},
		{`{"aud":["x","b"]}`, "", Expected{Audiences: both}, nil},
		{`{"aud":["x","y"]}`, "", Expected{Audiences: both}, ErrAudience},
		{`{"aud":"ab"}`, "", Expected{Audiences: both}, ErrAudience},
		{`{}`, "", Expected{Audiences: both}, ErrAudience},
		{`{"aud":[]}`, "", Expected{Audiences: both}, ErrAudience},
		{`{"aud":"b"}`, "", Expected{Audiences: none}, ErrAudience},
		{`{"aud":[]}`, "", Expected{Audiences: none}, ErrAudience},
		{`{"aud":null}`, "", Expected{Audiences: none}, ErrMalformed},
		{`{"aud":5}`, "", Expected{Audiences: both}, ErrMalformed},
		{`{}`, "", Expected{Type: "JWT"}, nil},
		{`{}`, "at+jwt", Expected{Type: "application/AT+JWT"}, nil},
		{`{}`, "", Expected{Type: "at+jwt"}, ErrType},
		{`{}`, "logout+jwt", Expected{Type: "at+jwt"}, ErrType},
		{fmt.Sprintf(`{"exp":%d}`, at+1), "", Expected{}, nil},
		{fmt.Sprintf(`{"exp":%d}`, at), "", Expected{}, ErrExpired},
		{fmt.Sprintf(`{"exp":%d}`, at), "", Expected{Leeway: time.Second}, nil},
		{fmt.Sprintf(`{"exp":%d}`, at-1), "", Expected{Leeway: time.Second}, ErrExpired},
		{`{"exp":0}`, "", Expected{}, ErrExpired},
		{fmt.Sprintf(`{"nbf":%d}`, at), "", Expected{}, nil},
		{fmt.Sprintf(`{"nbf":%d}`, at+2), "", Expected{Leeway: time.Second}, ErrNotValidYet},
		{fmt.Sprintf(`{"nbf":%d}`, at+1), "", Expected{Leeway: time.Second}, nil},
		{fmt.Sprintf(`{"iat":%d}`, at+2), "", Expected{Leeway: time.Second}, ErrNotValidYet},
		{fmt.Sprintf(`{"iat":%d.5,"exp":%d.5}`, at, at+1), "", Expected{}, nil},
	} {
		row.e.Now = now()
		_, err := Verify(sign(t, row.claims, k, "", row.typ), []Key{k}, row.e)
		if !errors.Is(err, row.want) {
			t.Errorf("%s, type %q, %+v: Verify = %v, want %v", row.claims, row.typ, row.e, err, row.want)
		}
	}
}

// No text makes Verify panic, nor is it a token unless it has the signature of the key.
func FuzzVerify(f *testing.F) {
	k := parse(f, secret, "a")
	f.Add(sign(f, `{"exp":1,"aud":["b"]}`, k, "", ""))
	f.Add(forge(`{"alg":"HS256","jwk":{"kty":"oct"},"x5c":["a"]}`, `{"exp":1e99}`, secret))
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		claims, err := Verify(token, []Key{k}, Expected{Now: now()})
		if err != nil {
			return
		}
		signed := token[:strings.LastIndex(token, ".")]
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(signed))
		if token != signed+"."+part(string(mac.Sum(nil))) || !json.Valid(claims) {
			t.Errorf("Verify(%q) = %s, want an error", token, claims)
		}
	})
}

// What it costs, on the loop, to read the key and verify a token.
func BenchmarkVerify(b *testing.B) {
	r, ec, ed := newRSA(b, 2048), newEC(b, elliptic.P256()), newEd25519(b)
	for name, p := range map[string]pair{"HS256": {secret, secret}, "RS256": r, "ES256": ec, "EdDSA": ed} {
		token := sign(b, `{"sub":"7"}`, parse(b, p.private, ""), "", "")
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Verify(token, []Key{parse(b, p.public, "")}, Expected{Now: now()}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("sign "+name, func(b *testing.B) {
			for b.Loop() {
				sign(b, `{"sub":"7"}`, parse(b, p.private, ""), "", "")
			}
		})
	}
}
