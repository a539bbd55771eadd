// Package password turns passwords into argon2id hashes and compares them. It knows the rules for a new one.
package password

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
)

// The lengths of a password, in characters. Length is what makes a password strong; the upper limit only bounds
// the work of hashing.
const (
	MinLength = 10
	MaxLength = 200
)

// params are OWASP's first recommendation for argon2id. One hash needs 19 MiB, so a caller that serves
// strangers must bound how many run at once.
var params = &argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// Nobody is a hash that no password fits. Comparing with it costs as much as comparing with a real one, so that
// the time of an answer does not tell whether a person exists.
const Nobody = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdG9mbm9ib2R5MDAwMA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// Hash returns the text to store for a password.
func Hash(plain string) (string, error) {
	hash, err := argon2id.CreateHash(plain, params)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// Verify reports whether a password belongs to a hash. An empty hash is nobody's, and takes as long. The error
// is about a hash that cannot be read.
func Verify(plain, hash string) (bool, error) {
	if hash == "" {
		hash = Nobody
	}
	match, err := argon2id.ComparePasswordAndHash(plain, hash)
	if err != nil {
		return false, fmt.Errorf("compare password: %w", err)
	}
	return match, nil
}

// Check says in one sentence, without its capital and full stop, what is wrong with a new password; nil when
// nothing is.
func Check(plain string) error {
	if !utf8.ValidString(plain) {
		return errors.New("the password holds bytes that are not text")
	}
	switch n := utf8.RuneCountInString(plain); {
	case n < MinLength:
		return fmt.Errorf("the password needs at least %d characters; this one has %d", MinLength, n)
	case n > MaxLength:
		return fmt.Errorf("the password may have at most %d characters; this one has %d", MaxLength, n)
	}
	return nil
}
