//go:build bench

package bench

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

const (
	// stepBudget is how long the operator lets one step move slots before it looks again.
	stepBudget = 2 * time.Second
	// overheadAsked is the part of the time of a migration that may go to anything else.
	overheadAsked = 0.10
)

// drive is how the time of a migration was spent that went step by step.
type drive struct {
	steps                        int
	observing, planning, waiting time.Duration
	moving, wall                 time.Duration
}

func (d drive) share() float64 { return 1 - d.moving.Seconds()/d.wall.Seconds() }

// overhead moves slots as the operator does: look, decide by the rules, move for two seconds, look again. Beside it, in
// turns, the mover does the same in one call.
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
		spent.planning += d.planning
		spent.waiting += d.waiting
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
	fmt.Fprintf(&out, "| | s |\n|---|---|\n| in one call | %.2f [%.2f..%.2f] |\n| step by step | %.2f [%.2f..%.2f] |\n\n",
		one.mid, one.low, one.high, many.mid, many.low, many.high)
	fmt.Fprintf(&out, "Of the time step by step %.1f %% [%.1f..%.1f] is not spent in the mover; asked: %s. "+
		"In %d steps: %.1f ms looking, %.1f ms deciding, %.0f ms waiting to look again. "+
		"Writing the status is not part of it: that is the API server's time.\n",
		100*share.mid, 100*share.low, 100*share.high, verdict("≤ 10 %", share.mid <= overheadAsked),
		spent.steps, spent.observing.Seconds()*1000, spent.planning.Seconds()*1000, spent.waiting.Seconds()*1000)
	out.WriteString(atScale(scale))
	keep(t, "Moving slots: the operator's part", out.String())
}

// drive scales out from three to four.
func (a *arena) drive(t *testing.T, o redis.MoveOptions) drive {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	o.Budget, o.Others = stepBudget, a.endpoints()
	wanted := plan.Wanted{Primaries: primaries, Replicas: len(a.servers)/primaries - 1, Bootstrapped: true}
	var d drive
	start := time.Now()
	for {
		since := time.Now()
		lap := func(into *time.Duration) {
			*into += time.Since(since)
			since = time.Now()
		}
		v, err := a.observe(ctx)
		if err != nil {
			t.Fatal(err)
		}
		lap(&d.observing)
		decision := plan.Next(wanted, v)
		lap(&d.planning)
		if decision.Reason == plan.Converged {
			d.wall = time.Since(start)
			return d
		}
		if err := a.carryOut(ctx, v, decision.Step, o); err != nil {
			t.Fatalf("%s: %s: %v", decision.Reason, decision.Message, err)
		}
		lap(&d.moving)
		d.steps++
		time.Sleep(decision.Requeue)
		lap(&d.waiting)
		wanted.Moving = true
	}
}

// carryOut is what the controller does with the steps that move slots. Here it comes to no other.
func (a *arena) carryOut(ctx context.Context, v cluster.View, step plan.Step, o redis.MoveOptions) error {
	var moves []plan.Move
	if _, idle := step.(plan.Wait); idle {
		return nil
	}
	if s, ok := step.(plan.MoveSlots); ok {
		moves = s.Moves
	}
	if s, ok := step.(plan.CloseSlots); ok && len(s.Undo)+len(s.Clear)+len(s.Cancel) == 0 {
		moves = s.Finish
	}
	if len(moves) == 0 {
		return fmt.Errorf("unexpected step %#v", step)
	}
	_, err := a.clients.MoveSlots(ctx, a.planned(v, moves), o)
	return err
}

func (a *arena) planned(v cluster.View, moves []plan.Move) []redis.SlotMove {
	transfers := make([]cluster.Transfer, len(moves))
	for i, m := range moves {
		transfers[i] = cluster.Transfer{From: m.From.Node, To: m.To.Node, Slots: m.Slots}
	}
	return a.moves(v, transfers)
}
