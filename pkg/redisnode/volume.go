package redisnode

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/agent"
)

// volume is how much room is where the node keeps its data; nil when that cannot be said.
func (g *gate) volume() *agent.Volume {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(g.opts.DataDir, &fs); err != nil {
		glog.V(4).Infof("%s: statfs %s: %v", g.opts, g.opts.DataDir, err)
		return nil
	}
	block := uint64(fs.Bsize) //nolint:gosec // the size of a block
	return &agent.Volume{
		Bytes: int64(fs.Blocks * block), Free: int64(fs.Bavail * block), //nolint:gosec // of a disk
		Fault: g.read().volumeFault,
	}
}

// tryVolume says why redis could not write its nodes.conf, without which it ends. It would end in a loop.
func (g *gate) tryVolume() error {
	err := tryWriting(g.opts.DataDir)
	if err != nil {
		err = fmt.Errorf("the volume cannot be written to: %w", err)
	}
	g.set(func() { g.volumeFault = textOf(err) })
	return err
}

func tryWriting(dir string) error {
	temp, err := os.CreateTemp(dir, "."+nodesFile+".*")
	if err != nil {
		return err
	}
	_, err = temp.WriteString("x")
	return errors.Join(err, temp.Sync(), temp.Close(), os.Remove(temp.Name()))
}

// textOf is the message of an error; "" for none.
func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
