package controller

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// A primary whose volume is full hands over once its replica's agent says that there is room, and the cluster is whole when
// there is room at the former one.
func TestFault38_FullPrimaryHandsOver(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7), persistent)
	shard := f.places[0].world.View().Shards()[0]
	primary, heir := shard.Primary.Pod.Name, shard.Replicas[0].Pod.Name
	free := int64(21)
	f.answers[heir] = func(s agent.Status) (agent.Status, error) {
		s.Volume = &agent.Volume{Bytes: 1000, Free: free}
		return s, nil
	}
	f.fill(primary, true)
	_ = f.looks(5)
	if told := f.life.take(); slices.ContainsFunc(told, func(w string) bool { return strings.Contains(w, "promote") }) {
		t.Errorf("there is no room, and %q", told)
	}
	f.says(redisv1.ConditionDegraded, "True VolumeFull", primary, "redis refuses writes until it can")
	free = 500
	_ = f.looks(5)
	if told := f.life.take(); !slices.Contains(told, "agent promote "+heir+" Manual") {
		t.Errorf("%q, and nobody takes over", told)
	}
	f.fill(primary, false)
	f.converge("shop")
	f.whole(6)
}

// fill fills the volume of a pod, or empties it.
func (f *fixture) fill(pod string, full bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.places[0].world.Full(pod, full)
}

// After a snapshot that failed a server refuses writes only where it is to make some, and is told to refuse.
func TestRefusesWrites(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7), persistent)
	for name, c := range map[string]struct {
		fault, save, stop string
		refuses           bool
	}{
		"append-only file":                   {"aof_last_write_status:err", "", "", true},
		"append-only file made smaller":      {"aof_last_bgrewrite_status:err", "900 1", "yes", false},
		"snapshot":                           {"rdb_last_bgsave_status:err", "900 1", "yes", true},
		"snapshot, and goes on all the same": {"rdb_last_bgsave_status:err", "900 1", "no", false},
		"snapshot that nobody asked for":     {"rdb_last_bgsave_status:err", "", "yes", false},
	} {
		f.c.Settings = runsWith{SettingControl: f.c.Settings, live: map[string]string{"save": c.save, "stop-writes-on-bgsave-error": c.stop}}
		m := f.places[0].world.FailWrites("demo-0", c.fault).View().Members[0]
		if got := f.c.refusesWrites(t.Context(), access{}, m); got != c.refuses {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// runsWith is a server that says what it runs with.
type runsWith struct {
	SettingControl

	live map[string]string
}

// Settings implements SettingControl.
func (r runsWith) Settings(context.Context, redis.Endpoint) (map[string]string, error) {
	return r.live, nil
}
