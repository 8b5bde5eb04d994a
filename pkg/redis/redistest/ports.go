package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

const (
	// The bus listens 10000 higher, which is where this range ends: from 32768 on the kernel takes ports
	// for outgoing connections.
	firstPort = 22000
	lastPort  = 22767
	busOffset = 10000
)

// port is a port that this process has to itself, with the one of the bus.
type port struct {
	number int
	lock   *os.File
}

// takePort finds a free port. A locked file keeps the tests of other packages, which run in processes of
// their own at the same time, from taking it too before the server listens.
func takePort(ctx context.Context) (port, error) {
	dir := filepath.Join(os.TempDir(), "redistest-ports-"+strconv.Itoa(os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return port{}, err
	}
	locks, err := os.OpenRoot(dir)
	if err != nil {
		return port{}, err
	}
	defer func() { _ = locks.Close() }()
	for number := firstPort; number <= lastPort; number++ {
		lock, err := locks.OpenFile(strconv.Itoa(number), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return port{}, err
		}
		if tryLock(lock) == nil && isFree(ctx, number) && isFree(ctx, number+busOffset) {
			return port{number: number, lock: lock}, nil
		}
		_ = lock.Close()
	}
	return port{}, errors.New("no free port from " + strconv.Itoa(firstPort) + " to " + strconv.Itoa(lastPort))
}

// give lets others have the port.
func (p port) give() { _ = p.lock.Close() }

func isFree(ctx context.Context, number int) bool {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", number))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}
