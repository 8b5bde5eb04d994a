package redisnode

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// After each full sync redis writes a new append-only file, and keeps the files of before until that is complete: for
// minutes, with much data. A replica that takes over meanwhile, and dies, has on its volume what it had before.

// unfinished is what redis writes beside its first append-only file, and gives another name when that is complete
// (aof.c, getTempIncrAofName). It writes none beside later ones.
func (g *gate) unfinished(conf string) string {
	name := "temp-" + directive(conf, "appendfilename", "appendonly.aof") + ".incr"
	return filepath.Join(g.opts.DataDir, appendDir(conf), name)
}

// copiedFrom is the node whose data this one had copied, and had not written to its volume when its redis ended; ""
// when its volume has what it had.
func (g *gate) copiedFrom(conf string) (cluster.NodeID, error) {
	if !appendsOnly(conf) {
		return "", nil
	}
	_, err := os.Stat(g.unfinished(conf))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("look for an unfinished append-only file: %w", err)
	}
	return g.state.read().CopyOf, nil
}

// awaitFirstFile waits until redis has finished its first append-only file, if it is at that.
func (a *Agent) awaitFirstFile(ctx context.Context) error {
	conf, err := os.ReadFile(filepath.Join(a.opts.ConfigDir, confFile))
	if err != nil {
		return err
	}
	for {
		if _, err := os.Stat(a.gate.unfinished(string(conf))); err != nil {
			return nil //nolint:nilerr // it is not there
		}
		if err := pause(ctx, a.opts.Clock, handOverInterval); err != nil {
			return fmt.Errorf("the first append-only file is not finished: %w", err)
		}
	}
}

// dropUnfinished forgets that a file was not finished: the next start is to tell of the time after this one.
func (g *gate) dropUnfinished(conf string) error {
	if err := os.Remove(g.unfinished(conf)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove an unfinished append-only file: %w", err)
	}
	return nil
}

// copyAt is the copy of a node, which has it until it says that it has none.
func copyAt(id cluster.NodeID) newerCopies {
	return newerCopies{
		among: func(found map[cluster.NodeID]peer) map[cluster.NodeID]peer {
			all := map[cluster.NodeID]peer{}
			if p, ok := found[id]; ok {
				all[id] = p
			}
			return all
		},
		gone: func(found map[cluster.NodeID]peer) bool {
			p, ok := found[id]
			return ok && !p.Status.HasData && p.Status.Role != rolePrimary
		},
	}
}

// rememberCopy keeps whose copy the node has. How far that one's volume was then is not known yet: keepMarks asks.
func rememberCopy(r *record, info *cluster.NodeInfo) {
	self := info.Self()
	if self.Role == cluster.Replica && info.LinkUp && r.CopyOf != self.PrimaryID {
		r.CopyOf, r.CopyMark = self.PrimaryID, 0
	}
}
