package password

import (
	"strings"
	"testing"

	"github.com/alexedwards/argon2id"
)

func TestVerify(t *testing.T) {
	hash, err := Hash("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, plain, hash string
		want, wantErr     bool
	}{
		{"right", "correct horse", hash, true, false},
		{"wrong", "correct horses", hash, false, false},
		{"empty password", "", hash, false, false},
		{"nobody", "correct horse", Nobody, false, false},
		{"empty hash", "correct horse", "", false, false},
		{"empty hash and password", "", "", false, false},
		{"unreadable hash", "correct horse", "plain", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Verify(tt.plain, tt.hash)
			if got != tt.want || (err != nil) != tt.wantErr {
				t.Errorf("Verify = %v, %v; want %v, error %v", got, err, tt.want, tt.wantErr)
			}
		})
	}
}

func TestNobodyCostsTheSame(t *testing.T) {
	got, salt, key, err := argon2id.DecodeHash(Nobody)
	if err != nil {
		t.Fatal(err)
	}
	if *got != *params || len(salt) != int(params.SaltLength) || len(key) != int(params.KeyLength) {
		t.Errorf("parameters of Nobody = %+v, of Hash = %+v", *got, *params)
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name, plain string
		ok          bool
	}{
		{"nine", strings.Repeat("a", 9), false},
		{"ten", strings.Repeat("a", 10), true},
		{"ten of two bytes", strings.Repeat("é", 10), true},
		{"nine of two bytes", strings.Repeat("é", 9), false},
		{"two hundred", strings.Repeat("a", 200), true},
		{"more", strings.Repeat("a", 201), false},
		{"not text", "0123456789\xff", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := Check(tt.plain); (err == nil) != tt.ok {
				t.Errorf("Check = %v, want ok %v", err, tt.ok)
			}
		})
	}
}
