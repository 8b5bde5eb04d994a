package redisnode

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// tendLog makes an append-only file that redis cannot load one that it can, and says whether there is data. Redis would
// end in a loop: a disk that was full can leave a hole in the file (seen with Redis 8.0), a host that lost its power
// one at the end (redis #5177), and redis mends only an end that is missing. The file of a node that gets its data from
// another all the same is set aside. Where this node may have the only copy, holes that have cost nothing are filled;
// what is wrong otherwise stays: what to give up is for a person to say.
//
// To read it takes time: that is only done when redis was let start before, and has not served since.
func (g *gate) tendLog(ctx context.Context, p past, found map[cluster.NodeID]peer) (hasData bool, err error) {
	if !p.hasData || g.read().starts < 2 {
		return p.hasData, nil
	}
	g.wait("redis has ended at its last start: reading its append-only file")
	dir := filepath.Join(g.opts.DataDir, directive(p.conf, "appenddirname", "appendonlydir"))
	damaged, err := damagedLogs(ctx, dir, directive(p.conf, "appendfilename", "appendonly.aof"))
	switch {
	case err != nil:
		return true, err
	case len(damaged) == 0:
		return true, nil
	case copiedElsewhere(p.table, found):
		return false, g.setLogAside(dir, damaged[0])
	}
	return true, g.fillHoles(damaged)
}

func (g *gate) setLogAside(dir string, why damage) error {
	if err := os.RemoveAll(dir + ".corrupt"); err != nil { // of the last time: a volume has no room for many
		return fmt.Errorf("set aside: %w", err)
	}
	aside, err := setAside(dir)
	if err != nil {
		return err
	}
	g.note("the append-only file could not be loaded (%v) and is set aside as %s: the data are copied from another node",
		why, aside)
	return nil
}

// copiedElsewhere says that another node is in charge of what this one had: its own primary, or a former replica. It is
// pure.
func copiedElsewhere(table cluster.Table, found map[cluster.NodeID]peer) bool {
	self, _ := table.Self()
	if !self.Slots.IsEmpty() {
		return nextCopy(table, found).verdict == copyInCharge
	}
	primary, answers := found[self.PrimaryID]
	return answers && primary.Status.Role == rolePrimary && primary.Status.SlotsOwned > 0
}
