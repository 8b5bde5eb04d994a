package plugin

import (
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// windowed is a cluster with pods of an older spec, and a window that opens so much later than now.
func windowed(later time.Duration) *redisv1.RedisCluster {
	rc := converged("default", "demo")
	for i := range rc.Status.Nodes {
		rc.Status.Nodes[i].Outdated = true
	}
	rc.Spec.Maintenance.Windows = []redisv1.MaintenanceWindow{{
		Schedule: now.Add(later).UTC().Format("4 15 * * *"), Duration: "1h",
	}}
	return rc
}

// A plan says what waits for a window, and what is done in it; in a window nothing waits.
func TestPlan_Window(t *testing.T) {
	t.Parallel()
	for later, waits := range map[time.Duration]bool{2 * time.Hour: true, -time.Minute: false} {
		f := newFixture("default", nil, windowed(later))
		if err := f.run(t.Context(), "plan", "demo", "--live=false"); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(f.out.String()), " ")
		if strings.Contains(text, "waiting for a window: demo-0, demo-1") != waits ||
			!strings.Contains(text, "replacing demo-3 by a pod of the new template") {
			t.Errorf("a window that opens %s later: %s", later, text)
		}
	}
}

// Who waits for an update is told at once that it waits for a window, or for a host.
func TestStatus_UntilWindow(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{plan.AwaitingWindow, plan.HostInMaintenance} {
		rc := windowed(time.Hour)
		rc.Status.Conditions[0] = condition(redisv1.ConditionProgressing, metav1.ConditionFalse, reason, "so it is")
		f := newFixture("default", nil)
		script(t, f, rc)
		if err := f.run(t.Context(), "status", "demo", "--until-done"); !errors.Is(err, ErrNotDone) {
			t.Errorf("%s: %v", reason, err)
		}
	}
}
