package access

import "time"

// SetClock has g take the time from now.
func (g *Gate) SetClock(now func() time.Time) { g.now = now }

// SessionCookie is the cookie's name.
const SessionCookie = sessionCookie
