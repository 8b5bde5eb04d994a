package controller

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

// A volume is full: it is told, nobody is restarted and no role is moved, and the cluster stays as ready as it is.
func TestFault38_DiskFull(t *testing.T) {
	t.Parallel()
	view, rc := clustertest.Cluster(3, 1).View(), defaulted()
	info := *view.Members[1].Info
	info.WriteFault = "aof_last_write_status:err"
	view.Members[1].Info, view.Members[1].VolumeFault = &info, "it could not write"
	o := saw(rc, view)
	if _, waits := o.decision.Step.(plan.Wait); !waits {
		t.Errorf("%s: %s", o.decision.Reason, o.decision.Message)
	}
	want := []string{healthy, converged, "Degraded=True VolumeFull: demo-1: it could not write"}
	if got := conditionsOf(statusOf(rc, o, time.Now())); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// A replica begins to copy everything again and again: that is told with what to raise, and what every replica does once,
// or another time because a connection broke, is not.
func TestFault42_FullSyncLoop(t *testing.T) {
	t.Parallel()
	w := clustertest.Cluster(3, 1)
	var l ledger
	look := func(given int64, inSync bool) []string {
		view := w.View()
		for i := range view.Members {
			info := *view.Members[i].Info
			switch view.Members[i].Pod.Name {
			case "demo-0":
				info.FullSyncs = given
			case "demo-4": // which follows it
				info.LinkUp = inSync
			}
			view.Members[i].Info = &info
		}
		rc := defaulted()
		o := saw(rc, view)
		o.loops = l.countSyncs(view)
		if degraded := conditionsOf(statusOf(rc, o, time.Now()))[2]; strings.Contains(degraded, "SyncLoop") != (len(o.loops) > 0) {
			t.Errorf("%q: %s", o.loops, degraded)
		}
		return o.loops
	}
	for _, step := range []struct {
		given  int64
		inSync bool
		loops  bool
	}{
		{given: 7, inSync: true},
		{given: 8},
		{given: 9},
		{given: 10, inSync: true}, // it took two more
		{given: 10},
		{given: 11},
		{given: 12},
		{given: 13, loops: true},
		{given: 14, loops: true},
		{given: 1}, // its primary was started again
		{given: 3},
		{given: 4, loops: true},
		{given: 4, inSync: true},
		{given: 5},
	} {
		if loops := look(step.given, step.inSync); len(loops) > 0 != step.loops {
			t.Errorf("%+v: %q", step, loops)
		}
	}
}

// Many replicas of one primary copy at once: that is no loop.
func TestCountSyncs_OfManyReplicas(t *testing.T) {
	t.Parallel()
	view := clustertest.Cluster(3, 3).View()
	var l ledger
	for given := range int64(loopAfter) {
		for i := range view.Members {
			info := *view.Members[i].Info
			info.LinkUp, info.FullSyncs = view.Members[i].Role() == cluster.Primary, loopAfter*given
			view.Members[i].Info = &info
		}
		if loops := l.countSyncs(view); len(loops) > 0 {
			t.Errorf("%q", loops)
		}
	}
}

// A redis that does not start, and was started with what is written, would not be helped by another pod: it is left to
// its kubelet, which tries ever more seldom, and not deleted again and again.
func TestFault38_NoEndlessReplacement(t *testing.T) {
	t.Parallel()
	rc := defaulted(persistent)
	started := func() launch {
		l := launch{conf: map[string]string{}}
		for _, d := range objects.ParseConf(objects.NewConfigMap(rc).Data[objects.KeyRedisConf]) {
			l.conf[d.Name] = d.Value
		}
		return l
	}
	wanted := directives(objects.Directives(rc))
	if drifts := launchDrifts(started(), wanted); len(drifts) > 0 {
		t.Errorf("%+v", drifts)
	}
	other := started()
	other.conf["appendonly"] = "no"
	if drifts := launchDrifts(other, wanted); len(drifts) != 1 || drifts[0].Name != "appendonly" {
		t.Errorf("%+v", drifts)
	}
}
