package plugin

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/diff"
	kubefake "k8s.io/client-go/kubernetes/fake"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

func withImage(rc *redisv1.RedisCluster, image string, config redisv1.Config) *redisv1.RedisCluster {
	rc.Spec.PodTemplate.Spec.Containers = []corev1.Container{{Name: redisv1.ContainerRedis, Image: image}}
	rc.Spec.Config = config
	return rc
}

// A rollback brings back all that a revision keeps, as it was: what has come since goes, too.
func TestRollback_AllOfIt(t *testing.T) {
	t.Parallel()
	plain := withImage(converged("default", "demo"), "redis:7.0", nil)
	full := withImage(converged("default", "demo"), "redis:8.0", redisv1.Config{"hz": "20"})
	full.Spec.Modules = []redisv1.Module{{Path: "/m.so", Args: []redisv1.ModuleArg{"1"}}}
	full.Spec.RenamedCommands = redisv1.RenamedCommands{"keys": "k", "flushall": ""}
	full.Spec.Memory.MaxmemoryPercent = new(int32(60))
	for name, tc := range map[string]struct{ from, to *redisv1.RedisCluster }{
		"to nothing of it": {full, plain}, "to all of it": {plain, full},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var kept []runtime.Object
			for i, rc := range []*redisv1.RedisCluster{tc.to, tc.from} {
				r, err := objects.NewRevision(rc)
				if err != nil {
					t.Fatal(err)
				}
				r.Revision = int64(i + 1)
				kept = append(kept, r)
			}
			f := newFixture("default", nil, tc.from.DeepCopy())
			f.clients.Kube = kubefake.NewClientset(kept...)
			if err := f.run(t.Context(), "rollback", "demo"); err != nil {
				t.Fatal(err)
			}
			rc, err := f.clients.get(t.Context(), "demo")
			if err != nil {
				t.Fatal(err)
			}
			if !equality.Semantic.DeepEqual(rc.Spec, tc.to.Spec) {
				t.Errorf("%s", diff.Diff(tc.to.Spec, rc.Spec))
			}
		})
	}
}

// revised is a RedisCluster that has run three images, and its history.
func revised(t *testing.T) *fixture {
	t.Helper()
	var kept []runtime.Object
	var rc *redisv1.RedisCluster
	for i, image := range []string{"redis:7.0", "redis:8.0", "redis:8.6"} {
		config := redisv1.Config{"maxmemory-policy": "allkeys-lru"}
		if i == 0 {
			config = nil
		}
		rc = withImage(converged("default", "demo"), image, config)
		r, err := objects.NewRevision(rc)
		if err != nil {
			t.Fatal(err)
		}
		r.Revision, r.CreationTimestamp = int64(i+1), ago(time.Duration(3-i)*time.Hour)
		kept = append(kept, r)
	}
	other := converged("default", "other")
	other.UID = "uid-2"
	r, err := objects.NewRevision(withImage(other, "redis:0", nil))
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture("default", nil, rc)
	f.clients.Kube = kubefake.NewClientset(append(kept, r)...)
	return f
}

func TestHistory(t *testing.T) {
	t.Parallel()
	f := revised(t)
	if err := f.run(t.Context(), "history", "demo"); err != nil {
		t.Fatal(err)
	}
	golden(t, "history", f.out.String())
	f.clients.Kube = kubefake.NewClientset()
	if err := f.run(t.Context(), "history", "demo"); err == nil {
		t.Error("no history is no error")
	}
}

func TestRollback(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args   []string
		image  string
		config int
		refuse string
	}{
		"to the one before":       {args: nil, image: "redis:8.0", config: 1},
		"to one by its number":    {args: []string{"--to-revision=1"}, image: "redis:7.0"},
		"to that of now":          {args: []string{"--to-revision=3"}, image: "redis:8.6", config: 1},
		"to one that is not kept": {args: []string{"--to-revision=9"}, image: "redis:8.6", config: 1, refuse: "has no revision 9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := revised(t)
			err := f.run(t.Context(), append([]string{"rollback", "demo"}, tc.args...)...)
			if tc.refuse == "" && err != nil || tc.refuse != "" && !strings.Contains(fmt.Sprint(err), tc.refuse) {
				t.Fatal(err)
			}
			rc, err := f.clients.get(t.Context(), "demo")
			if err != nil {
				t.Fatal(err)
			}
			if got := rc.Spec.PodTemplate.Spec.Containers[0].Image; got != tc.image || len(rc.Spec.Config) != tc.config {
				t.Errorf("it is %s with %v, want %s with %d settings", got, rc.Spec.Config, tc.image, tc.config)
			}
		})
	}
	f := revised(t)
	f.clients.Kube = kubefake.NewClientset()
	if err := f.run(t.Context(), "rollback", "demo"); err == nil {
		t.Error("a rollback without a history is no error")
	}
}
