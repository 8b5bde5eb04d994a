package controller

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// fates are what the operator meets at each of its writes, one life at a time.
var fates = map[string]fate{
	"killed before a write":         killedBefore,
	"killed after a write":          killedAfter,
	"the answer to a write is lost": answerLost,
	"a write fails":                 writeFails,
}

// FAULTS 1, 2, 9 to 11: an operator that is killed at any of its writes finds out from Kubernetes and Redis how far it
// came, and goes on. Every write of an undisturbed creation has its turn.
func TestFault01_OperatorKilledAfterEveryWrite(t *testing.T) {
	t.Parallel()
	for what, storage := range map[string]func(*redisv1.RedisCluster){
		"ephemeral":  func(*redisv1.RedisCluster) {},
		"persistent": persistent,
	} {
		undisturbed := newFixture(t, demo(storage))
		undisturbed.converge("shop")
		undisturbed.whole(6)
		writes := len(undisturbed.life.take())
		if writes < 35 {
			t.Fatalf("%s: a creation is %d writes; did the test count them?", what, writes)
		}
		for name, fate := range fates {
			if what == "persistent" && fate != killedAfter {
				continue // volumes add writes, not ways to fail
			}
			t.Run(what+", "+name, func(t *testing.T) {
				t.Parallel()
				for n := 1; n <= writes; n += stride {
					f := newFixture(t, demo(storage))
					f.life.fate, f.life.at = fate, n
					f.finish(fmt.Sprintf("%s: %s: number %d of %d", what, name, n, writes))
					if !f.life.met {
						t.Errorf("write %d of %d was never reached", n, writes)
					}
				}
			})
		}
	}
}

// An operator that never lives longer than to its first write gets there all the same.
func TestFault01_OperatorKilledAfterEveryWrite_AgainAndAgain(t *testing.T) {
	t.Parallel()
	for what, storage := range map[string]func(*redisv1.RedisCluster){
		"ephemeral":  func(*redisv1.RedisCluster) {},
		"persistent": persistent,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, demo(storage))
			f.life.fate, f.life.at, f.life.always = killedAfter, 1, true
			f.finish(what)
			if lives := f.lives; lives < 25 {
				t.Errorf("the operator lived only %d times", lives)
			}
		})
	}
}

// Every primary gets a config epoch of its own before it meets another: else they settle it one by one, and it takes
// seconds. A slot is asked for once.
func TestCreationGivesEpochsFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	var told []string
	for _, w := range f.life.take() {
		words := strings.Fields(w)
		if words[0] == "redis" && words[1] != "meet" {
			told = append(told, words[1])
		} else if words[0] == "redis" && (len(told) == 0 || told[len(told)-1] != "meet") {
			told = append(told, "meet")
		}
	}
	if slices.Sort(told[:min(6, len(told))]); strings.Join(told, " ") != "addslots addslots addslots set-config-epoch "+
		"set-config-epoch set-config-epoch meet replicate replicate replicate" {
		t.Errorf("nodes were told %q", told)
	}
	epochs := map[uint64]bool{}
	for _, s := range f.places[0].world.View().Shards() {
		epochs[s.Primary.Info.Self().ConfigEpoch] = true
	}
	if len(epochs) != 3 || epochs[0] {
		t.Errorf("config epochs %v", epochs)
	}
}

// finish brings a new cluster to its end, and holds the end against what must be true of it.
func (f *fixture) finish(what string) {
	f.t.Helper()
	f.what = what
	f.converge("shop")
	f.whole(6)
	f.settled("shop")
	made := slices.DeleteFunc(slices.Clone(f.story.take()), func(e string) bool { return !strings.Contains(e, " PodCreated ") })
	if len(made) > 6 {
		f.t.Fatalf("%s: more than six pods were made: %q", what, made)
	}
}

// settled fails unless looks at a ready cluster write nothing.
func (f *fixture) settled(namespace string) {
	f.t.Helper()
	f.life.take()
	f.start()
	for range 2 {
		if err := f.lookFresh(namespace); err != nil {
			f.t.Fatalf("%s: a look at a ready cluster: %v", f.what, err)
		}
		f.pass()
	}
	if writes := f.life.take(); len(writes) > 0 {
		f.t.Fatalf("%s: a ready cluster is written to: %q\n%s", f.what, writes, f)
	}
}

// whole fails unless shop/demo is a whole cluster of this many pods, each master with a replica.
func (f *fixture) whole(pods int) {
	f.t.Helper()
	v := f.places[0].world.View()
	shards := v.Shards()
	made := slices.DeleteFunc(all[*corev1.Pod](f.api), func(p *corev1.Pod) bool { return p.Namespace != "shop" })
	switch {
	case len(made) != pods || len(v.Members) != pods:
		f.t.Fatalf("%s: %d pods, want %d\n%s", f.what, len(made), pods, f)
	case !v.Unserved().IsEmpty() || !v.Contested().IsEmpty():
		f.t.Fatalf("%s: slots without an owner: %s, with two: %s\n%s", f.what, v.Unserved(), v.Contested(), f)
	case len(shards) != pods/2:
		f.t.Fatalf("%s: %d shards, want %d\n%s", f.what, len(shards), pods/2, f)
	}
	for _, s := range shards {
		if len(s.Synced()) != 1 || s.Slots.Len() < cluster.SlotCount/(pods/2) {
			f.t.Fatalf("%s: shard %s has %d slots and %d replicas\n%s", f.what, s.ID.Short(), s.Slots.Len(), len(s.Synced()), f)
		}
	}
}
