package controller

import (
	"maps"
	"testing"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

func persists(p redisv1.Persistence) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) { rc.Spec.Storage.Persistence = p }
}

// servers are those of all pods.
func (f *fixture) servers() []*server {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []*server
	for _, s := range f.places[0].started {
		all = append(all, s.server)
	}
	return all
}

// What nodes write changes while they run, and back: no pod is touched, and everything is as it was.
func TestPersistence_ThereAndBack(t *testing.T) {
	t.Parallel()
	for mode, want := range map[redisv1.Persistence][2]string{
		redisv1.PersistenceRDB:  {"no", "3600 1 300 100 60 10000"},
		redisv1.PersistenceAOF:  {"yes", ""},
		redisv1.PersistenceBoth: {"yes", "3600 1 300 100 60 10000"},
		redisv1.PersistenceNone: {"no", ""},
	} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			f := newCluster(t, paced(7), persistent)
			before, written := f.settingsOf(), f.written()
			f.change(persists(mode))
			f.converge("shop")
			f.everywhere("appendonly", want[0])
			f.everywhere("save", want[1])
			f.change(persists(""))
			f.converge("shop")
			f.converge("shop")
			if after := f.settingsOf(); !maps.EqualFunc(after, before, maps.Equal) || f.written() != written {
				t.Errorf("after: %v\nbefore: %v", after, before)
			}
			if events := f.story.take(); len(told(events, "PodDeleted")) > 0 {
				t.Errorf("told %q", events)
			}
		})
	}
}

// A node that stops to write its append-only file has a snapshot of what is in it, also when that takes its time; where
// nothing is to be kept none is made.
func TestPersistence_SnapshotFirst(t *testing.T) {
	t.Parallel()
	for mode, slow := range map[redisv1.Persistence]bool{
		redisv1.PersistenceRDB: true, redisv1.PersistenceNone: false, redisv1.PersistenceAOF: false,
	} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			f := newCluster(t, paced(7), persistent)
			for _, s := range f.servers() {
				s.slow = slow
			}
			f.change(persists(mode))
			f.until("it is so everywhere", func() bool {
				for _, has := range f.runsWith(appendOnly) {
					if has == "yes" && mode != redisv1.PersistenceAOF {
						return false
					}
				}
				return true
			})
			for _, s := range f.servers() {
				if s.unsaved && mode == redisv1.PersistenceRDB || s.saves > 0 != (mode == redisv1.PersistenceRDB) {
					t.Errorf("%d snapshots, %v", s.saves, s.live)
				}
			}
		})
	}
}
