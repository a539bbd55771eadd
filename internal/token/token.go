// Package token makes the random secrets that a browser hands back: session ids and first sign-in links. Only
// the hash of a secret is ever stored, so that a copy of the database opens nothing.
package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// size is 256 bits: nobody guesses it, so a plain hash of it needs neither salt nor slowness.
const size = 32

// New returns a secret, safe in an address and in a cookie, and the hash to store.
func New() (secret string, hash []byte) {
	b := make([]byte, size)
	rand.Read(b) // never fails: it ends the program instead
	secret = base64.RawURLEncoding.EncodeToString(b)
	return secret, Hash(secret)
}

// Hash returns what the store knows a secret by.
func Hash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// Plausible reports whether a text has the form of a secret. Anything else need not be looked up.
func Plausible(text string) bool {
	if len(text) != base64.RawURLEncoding.EncodedLen(size) {
		return false
	}
	_, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil
}
