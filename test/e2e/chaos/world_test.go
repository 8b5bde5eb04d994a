package chaos

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

// A container that is starting again, because of the fault before, is waited for.
func TestRunning(t *testing.T) {
	t.Parallel()
	lab := filepath.Join(t.TempDir(), "lab.sh")
	if err := os.WriteFile(lab, []byte(`#!/bin/sh
case $(cat "$0.asked" 2>/dev/null) in
"") echo once >"$0.asked"; echo "cat: cgroup.procs: No such file or directory"; exit 1 ;;
once) echo twice >"$0.asked" ;;
*) echo 12 13 ;;
esac
`), 0o700); err != nil {
		t.Fatal(err)
	}
	w := &World{Cluster: &framework.Cluster{Env: &framework.Env{}}, lab: lab}
	if pids, err := w.running(t.Context(), "redis-operator", "op-1", "operator"); err != nil || !slices.Equal(pids, []int{12, 13}) {
		t.Errorf("%v, %v", pids, err)
	}
}

// A host that has just been given its power again is not one for pods yet.
func TestStartsPods(t *testing.T) {
	t.Parallel()
	ready := []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	for name, c := range map[string]struct {
		node   corev1.Node
		starts bool
	}{
		"ready":           {corev1.Node{Status: corev1.NodeStatus{Conditions: ready}}, true},
		"not heard of":    {corev1.Node{}, false},
		"still tainted":   {corev1.Node{Status: corev1.NodeStatus{Conditions: ready}, Spec: corev1.NodeSpec{Taints: taints("NoSchedule")}}, false},
		"better not used": {corev1.Node{Status: corev1.NodeStatus{Conditions: ready}, Spec: corev1.NodeSpec{Taints: taints("PreferNoSchedule")}}, true},
	} {
		if err := startsPods(&c.node); (err == nil) != c.starts {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func taints(effect corev1.TaintEffect) []corev1.Taint {
	return []corev1.Taint{{Key: corev1.TaintNodeNotReady, Effect: effect}}
}
