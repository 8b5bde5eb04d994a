package main

import (
	"fmt"
	"os"
	"syscall"
)

// startAgain begins this program anew in its process: whatever it was doing has ended, and nothing is in memory. It
// only returns when that is not possible.
//
// To end would do, but a kubelet waits before it starts a container again that has ended, longer each time, up to five
// minutes (CrashLoopBackOff): an API server that is away a few times in an hour would leave its clusters without an
// operator for that long.
func startAgain() error {
	self, err := os.Executable()
	if err == nil {
		err = syscall.Exec(self, os.Args, os.Environ()) //nolint:gosec // it is this program
	}
	return fmt.Errorf("start again: %w", err)
}
