//go:build bench

package bench

import (
	"errors"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// polite has this process, and those that it starts, take a processor only while nobody else wants it, until what it
// gives is called. A mover does not share its processors with the servers and their clients where it is at work; here
// it has to, and would be measured for what it takes from them.
func polite(t *testing.T) (stop func()) {
	t.Helper()
	schedule(t, unix.SCHED_IDLE)
	return func() { schedule(t, unix.SCHED_NORMAL) }
}

// schedule sets the policy of every thread. New ones have that of the one that made them.
func schedule(t *testing.T, policy uint32) {
	t.Helper()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err == nil {
			err = unix.SchedSetAttr(id, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy}, 0)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) { // a thread that has ended
			t.Fatalf("set the policy of thread %s: %v", thread.Name(), err)
		}
	}
}
