//go:build unix && !linux

package redistest

import (
	"os"
	"syscall"
)

// endsWithUs: only Linux can.
func endsWithUs() *syscall.SysProcAttr { return nil }

func tryLock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
