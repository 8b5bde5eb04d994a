//go:build bench

package bench

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// overheadAsked is the part of the time of a migration that may go to anything but moving.
const overheadAsked = 0.10

// drive is how the time of a migration was spent that went step by step.
type drive struct {
	steps, writes int
	observing     time.Duration
	moving, wall  time.Duration
}

// share is the part of the time that was not the mover's.
func (d drive) share() float64 { return 1 - d.moving.Seconds()/d.wall.Seconds() }

// overhead has the operator's controller move slots, step by step. Beside it, in turns, the mover does the same in one
// call.
func overhead(t *testing.T, scale float64, rounds, replicas int) {
	begun := load()
	a := newArena(t, redistest.Default(t), newDataset(small, scale), replicas)
	o := redis.MoveOptions{Engine: redis.EngineClassic, Profile: redis.ProfileThroughput}
	back := ours("back", o, goals{})
	var whole, steps, shares []float64
	var spent drive
	for range rounds {
		whole = append(whole, back.move(t, a, 4).wall.Seconds())
		a.await(t, 4)
		back.move(t, a, 3)
		a.await(t, 3)
		d := a.drive(t, o)
		t.Logf("%+v: %.1f %%", d, 100*d.share())
		steps, shares = append(steps, d.wall.Seconds()), append(shares, d.share())
		spent.steps += d.steps
		spent.observing += d.observing
		spent.writes += d.writes
		a.await(t, 4)
		back.move(t, a, 3)
		a.await(t, 3)
		a.verify(t)
	}
	share := spreadOf(shares)
	var out strings.Builder
	fmt.Fprintf(&out, "%s; %s, %s; %s, scale %g, 3 → 4 primaries, %d rounds, load average %s at the start and %s at the end.\n\n",
		time.Now().UTC().Format("2006-01-02"), machine(), a.versions[0], a.data, scale, rounds, begun, load())
	one, many := spreadOf(whole), spreadOf(steps)
	fmt.Fprintf(&out, "| | s |\n|---|---|\n| in one call | %.2f [%.2f..%.2f] |\n| by the controller, step by step | %.2f [%.2f..%.2f] |\n\n",
		one.mid, one.low, one.high, many.mid, many.low, many.high)
	fmt.Fprintf(&out, "Of the time step by step %.1f %% [%.1f..%.1f] is not spent in the mover; asked: %s. It is taken from when "+
		"the first slot begins to move until the status says that all have. In %d steps: %.0f ms looking at nodes, %d writes "+
		"of the status. The API server is a fake that takes %v for each call.\n",
		100*share.mid, 100*share.low, 100*share.high, verdict("≤ 10 %", share.mid <= overheadAsked),
		spent.steps, spent.observing.Seconds()*1000, spent.writes, apiTime)
	out.WriteString(strings.TrimSpace(atScale(scale)) + "\n")
	keep(t, "Moving slots: the operator's part", out.String())
}
