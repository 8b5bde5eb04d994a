package redis

import (
	"syscall"
	"time"
)

// snooze waits, in the kernel: a timer of Go is up to a millisecond late, which is longer than most rests. It may
// return early.
func snooze(wait time.Duration) {
	left := syscall.NsecToTimespec(int64(wait))
	_ = syscall.Nanosleep(&left, nil) // cut short by a signal: whoever waits looks at the clock
}
