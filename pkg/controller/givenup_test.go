package controller

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/agent"
	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// A primary was replaced, and its agent finds out later what its successor lacks: that is told once, and nothing is told
// of one that has lost nothing.
func TestFault31_GivenUpIsTold(t *testing.T) {
	t.Parallel()
	for lost, times := range map[int64]int{4711: 1, 0: 0} {
		f := newFixture(t, demo())
		f.converge("shop")
		shard := f.places[0].world.View().Shards()[0]
		former, heir := shard.Primary.Pod.Name, shard.Replicas[0]
		counted := false
		f.answers[former] = func(s agent.Status) (agent.Status, error) {
			if counted {
				s.GivenUp = &agent.GivenUp{PrimaryID: string(heir.ID()), At: time.Now(), Bytes: lost}
			}
			return s, nil
		}
		f.story.take()
		f.mu.Lock()
		err := f.places[0].world.Apply(plan.Failover{Pod: heir.Pod.Name, Node: heir.ID(), Primary: shard.ID, Mode: plan.HandOver})
		f.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		_ = f.looks(3)
		counted = true
		_ = f.looks(10)
		told := slices.DeleteFunc(f.story.take(), func(e string) bool { return !strings.Contains(e, redisv1.EventWritesGivenUp) })
		if len(told) != times || times > 0 && (!strings.HasPrefix(told[0], "shop Warning WritesGivenUp "+former) ||
			!strings.Contains(told[0], "4711 bytes")) {
			t.Errorf("%d bytes: events %q", lost, told)
		}
	}
}
