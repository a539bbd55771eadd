package token

import (
	"bytes"
	"strings"
	"testing"
)

func TestNewSecretsDiffer(t *testing.T) {
	a, aHash := New()
	b, bHash := New()
	if a == b || bytes.Equal(aHash, bHash) {
		t.Fatalf("two secrets are equal: %q", a)
	}
	if !bytes.Equal(aHash, Hash(a)) {
		t.Errorf("the hash of a new secret is not Hash of it")
	}
	if !Plausible(a) {
		t.Errorf("Plausible(%q) = false for a new secret", a)
	}
}

func TestPlausible(t *testing.T) {
	for name, text := range map[string]string{
		"empty":         "",
		"short":         "abc",
		"long":          strings.Repeat("a", 200),
		"other letters": strings.Repeat("/", 43),
		"NUL":           strings.Repeat("\x00", 43),
	} {
		if Plausible(text) {
			t.Errorf("%s: Plausible = true", name)
		}
	}
}
