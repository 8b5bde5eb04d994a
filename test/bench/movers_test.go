//go:build bench

package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// mover brings the slots of an arena to as many primaries as are wanted: three or four.
type mover struct {
	name string
	// move returns when the mover says that it is done, and what that cost.
	move func(t *testing.T, a *arena, masters int) expense
	// exact says that it moves no slot more than it has to.
	exact bool
	asked goals
}

// redisCLI is the peer: `redis-cli --cluster rebalance`.
func redisCLI(name, program string, options ...string) mover {
	return mover{name: name, move: func(t *testing.T, a *arena, masters int) expense {
		t.Helper()
		args := append([]string{"--cluster", "rebalance", a.servers[0].Addr(), "--cluster-use-empty-masters"}, options...)
		for _, id := range a.ids[masters:primaries] {
			args = append(args, "--cluster-weight", string(id)+"=0")
		}
		cmd := exec.CommandContext(t.Context(), program, args...)
		start := time.Now()
		out, err := cmd.CombinedOutput()
		wall := time.Since(start)
		if err != nil {
			t.Fatalf("%v: %v\n%.4000s", args, err, out)
		}
		used, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		return expense{
			wall: wall,
			cpu:  cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
			heap: uint64(used.Maxrss) << 10,
		}
	}}
}

// cliOf is the program that belongs to an engine.
func cliOf(t *testing.T, engine redistest.Engine) string {
	t.Helper()
	for _, name := range []string{"run-cli", "redis-cli", "valkey-cli"} {
		beside := filepath.Join(filepath.Dir(engine.Server), name)
		if _, err := os.Stat(beside); err == nil {
			return beside
		}
	}
	found, err := exec.LookPath("redis-cli")
	if err != nil {
		t.Fatalf("no redis-cli for %s: %v", engine.Server, err)
	}
	return found
}

// pipeline is the option of redis-cli for how many keys go at once.
func pipeline(keys int) []string { return []string{"--cluster-pipeline", strconv.Itoa(keys)} }

// ours is the mover of pkg/redis, with all the time it needs.
func ours(name string, o redis.MoveOptions, asked goals) mover {
	o.Budget = time.Hour
	return mover{name: name, exact: true, asked: asked, move: func(t *testing.T, a *arena, masters int) expense {
		t.Helper()
		m := startMeter()
		faults, err := a.balance(t.Context(), masters, o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		e := m.read()
		e.faults = faults
		for _, fault := range faults {
			t.Logf("%s failed, and is asked again: %s", name, fault)
		}
		return e
	}}
}

// mostFaults is how often a mover may fail within one run. The operator asks again too, though not so soon.
const mostFaults = 5

// balance moves until nothing is left to move, looking again before each call, as the operator does. It tells of errors
// after which it went on.
func (a *arena) balance(ctx context.Context, masters int, o redis.MoveOptions) (faults []string, err error) {
	for {
		v, err := a.observe(ctx)
		if err != nil {
			return faults, err
		}
		transfers := cluster.Balance(a.holdings(v, masters), nil)
		if len(transfers) == 0 {
			return faults, nil
		}
		moved, err := a.clients.MoveSlots(ctx, a.moves(v, transfers), o)
		progress := false
		for _, m := range moved {
			progress = progress || m.Running || !m.Slots.IsEmpty()
		}
		switch {
		case err != nil && len(faults) == mostFaults:
			return faults, err
		case err != nil:
			faults = append(faults, err.Error())
		case !progress:
			return faults, fmt.Errorf("nothing moves: %+v", moved)
		}
	}
}

// moves are transfers in the words of the mover.
func (a *arena) moves(v cluster.View, transfers []cluster.Transfer) []redis.SlotMove {
	moves := make([]redis.SlotMove, len(transfers))
	for i, tr := range transfers {
		moves[i] = redis.SlotMove{From: a.end(v, tr.From), To: a.end(v, tr.To), Slots: tr.Slots}
	}
	return moves
}

func (a *arena) end(v cluster.View, id cluster.NodeID) redis.MoveEnd {
	var end redis.MoveEnd
	for i, s := range a.servers {
		info := v.Members[i].Info
		switch {
		case a.ids[i] == id:
			end.Endpoint, end.ID, end.Peer, end.Version = s.Endpoint(), id, s.Peer(), info.Version
		case info.Self().PrimaryID == id && info.LinkUp:
			end.Copies = append(end.Copies, s.Endpoint())
		}
	}
	return end
}
