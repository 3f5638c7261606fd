// Package token owns the secrets with which clients come back to their connections. It must not know what a connection is.
//
// Everything in it belongs to the loop.
package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// hash is the SHA-256 of a token. Tokens themselves are never kept.
type hash [sha256.Size]byte

func hashOf(token string) hash { return sha256.Sum256([]byte(token)) }

// Tokens find connections by the tokens that are good. C is the connection.
type Tokens[C any] struct{ byHash map[hash]C }

// Pair has the tokens of one connection that are good.
type Pair struct {
	present  hash
	previous *hash // good until the client is heard after it has come back: it may have missed the present one
}

// New returns an empty set of tokens.
func New[C any]() Tokens[C] { return Tokens[C]{byHash: map[hash]C{}} }

// Len returns how many tokens are good.
func (t Tokens[C]) Len() int { return len(t.byHash) }

// Find returns the connection of a token, or the zero C.
func (t Tokens[C]) Find(token string) C { return t.byHash[hashOf(token)] }

// Renew gives a connection a new token, beside the one that it has had.
func (t Tokens[C]) Renew(p *Pair, c C) (token string) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // it never fails
	token = base64.RawURLEncoding.EncodeToString(secret[:])
	p.present = hashOf(token)
	t.byHash[p.present] = c
	return token
}

// Use renews the token of a connection whose client has come back with one of the pair. That one is good until EndPrevious: the
// client may not get the new one, and may not have got the one before.
func (t Tokens[C]) Use(p *Pair, token string, c C) (renewed string) {
	used := hashOf(token)
	if used == p.present {
		t.EndPrevious(p)
	} else {
		delete(t.byHash, p.present)
	}
	p.previous = &used
	return t.Renew(p, c)
}

// EndPrevious ends the token before the present one.
func (t Tokens[C]) EndPrevious(p *Pair) {
	if p.previous != nil {
		delete(t.byHash, *p.previous)
		p.previous = nil
	}
}

// End ends both tokens.
func (t Tokens[C]) End(p *Pair) {
	t.EndPrevious(p)
	delete(t.byHash, p.present)
}

// Hashes returns the SHA-256 of both tokens, for Parse. previous is nil if there is none.
func (p *Pair) Hashes() (present, previous []byte) {
	if p.previous != nil {
		previous = p.previous[:]
	}
	return p.present[:], previous
}

// Parse returns the pair of Hashes, for Add. It reports whether these can be hashes.
func Parse(present, previous []byte) (p Pair, ok bool) {
	if len(present) != sha256.Size || len(previous) != 0 && len(previous) != sha256.Size {
		return p, false
	}
	p.present = hash(present)
	if len(previous) > 0 {
		before := hash(previous)
		p.previous = &before
	}
	return p, true
}

// Add gives a connection the tokens of a pair.
func (t Tokens[C]) Add(p *Pair, c C) {
	t.byHash[p.present] = c
	if p.previous != nil {
		t.byHash[*p.previous] = c
	}
}
