package command

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestJoinReadsBack: whatever the words are, they come back, without a shell.
func TestJoinReadsBack(t *testing.T) {
	special := rapid.OneOf(rapid.SampledFrom([]rune(" '\"\\$`*?[]{}~!#&|;<>()=%\n\taé😀")), rapid.Rune())
	words := rapid.SliceOfN(rapid.StringOf(special).Filter(func(w string) bool { return !strings.ContainsAny(w, "\x00\r") }), 0, 4)
	rapid.Check(t, func(t *rapid.T) {
		want := append([]string{rapid.SampledFrom([]string{"node", "a b", "if", "A=1", "~/x", "*", "it's", "!"}).Draw(t, "program")}, words.Draw(t, "words")...)
		text := Join(want...)
		c, err := Parse(text)
		if err != nil || c.Shell {
			t.Fatalf("%q, written as %s: %v, %v", want, text, err, c)
		}
		if got, err := c.Argv([]string{"HOME=/h", "a=b"}); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%q, written as %s, is read back as %q, %v", want, text, got, err)
		}
	})
}

func TestJoinLeavesPlainWordsAlone(t *testing.T) {
	for want, words := range map[string][]string{
		"node server.js --port=8300 a@b:c": {"node", "server.js", "--port=8300", "a@b:c"},
		"'A=1' B=2":                        {"A=1", "B=2"},
		"'if' if":                          {"if", "if"},
		"x '' '[::]'":                      {"x", "", "[::]"},
	} {
		if got := Join(words...); got != want {
			t.Errorf("Join(%q) = %s, want %s", words, got, want)
		}
	}
}
