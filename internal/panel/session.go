package panel

import "time"

// Session is what the store keeps of somebody who signed in. The secret itself stands in the browser's cookie
// only; whoever reads the database cannot sign in with it.
type Session struct {
	IDHash     []byte // SHA-256 of the secret
	User       UserID // 0: not signed in
	Data       []byte // what the panel remembers between two pages, as it likes
	CreatedAt  time.Time
	LastSeenAt time.Time
	ExpiresAt  time.Time
}
