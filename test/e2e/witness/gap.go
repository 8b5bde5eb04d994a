package witness

import (
	"fmt"
	"time"
)

// Gap is a time in which a writer had nothing acknowledged, and what it met with.
type Gap struct {
	Length time.Duration
	Until  time.Time
	Tries  int
	// Slowest is how long one try took of them, and At which node it ended at.
	Slowest time.Duration
	At      string
	Refused Refusals
}

// String is "582 ms until 20:07:11.204 (3 tries, the slowest 560 ms at 10.0.0.7:6379; refused: 2 no connection)".
func (g Gap) String() string {
	return fmt.Sprintf("%d ms until %s (%d tries, the slowest %d ms at %s; refused: %s)", g.Length.Milliseconds(),
		g.Until.UTC().Format("15:04:05.000"), g.Tries, g.Slowest.Milliseconds(), g.At, g.Refused)
}

// until is the gap that began at a time, and ends now.
func (g Gap) until(begin time.Time) Gap {
	g.Until = time.Now()
	g.Length = g.Until.Sub(begin)
	return g
}

// longer is the longer of two; the former when they are alike.
func longer(a, b Gap) Gap {
	if b.Length > a.Length {
		return b
	}
	return a
}
