//go:build !linux

package redis

import "time"

// snooze waits, with a timer: up to a millisecond longer.
func snooze(wait time.Duration) { <-time.After(wait) }
