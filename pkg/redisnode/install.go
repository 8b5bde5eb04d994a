package redisnode

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// binaryName is the agent's file in the volume that it shares with the container of redis.
const binaryName = "redisnode"

// Install copies the running executable into a directory, at once and executable for everybody.
func Install(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("install: %w", err)
	}
	source, err := os.Open(self)
	if err != nil {
		return fmt.Errorf("install: %w", err)
	}
	defer func() { _ = source.Close() }()
	temp, err := os.CreateTemp(dir, "."+binaryName+".*")
	if err != nil {
		return fmt.Errorf("install: %w", err)
	}
	_, err = io.Copy(temp, source)
	err = errors.Join(err, temp.Chmod(0o755), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), filepath.Join(dir, binaryName))
	}
	if err != nil {
		return fmt.Errorf("install: %w", errors.Join(err, os.Remove(temp.Name())))
	}
	return nil
}
