package objects

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/diff"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// A revision brings back what it was made of, and what it does not keep makes no other one.
func TestRevision(t *testing.T) {
	t.Parallel()
	rc := cluster()
	rc.Spec.Config = redisv1.Config{"maxmemory-policy": "allkeys-lru"}
	rc.Spec.Memory.MaxmemoryPercent = new(int32(60))
	modules("/m.so", "1")(rc)
	renamed(redisv1.RenamedCommands{"keys": "k"})(rc)
	first, err := NewRevision(rc)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := ParseRevision(first)
	want := RevisionSpec{
		PodTemplate: rc.Spec.PodTemplate, Config: rc.Spec.Config, Modules: rc.Spec.Modules,
		RenamedCommands: rc.Spec.RenamedCommands, Memory: rc.Spec.Memory,
	}
	if err != nil || !equality.Semantic.DeepEqual(kept.Spec, want) {
		t.Errorf("%v\n%s", err, diff.Diff(want, kept.Spec))
	}
	for name, tc := range map[string]struct {
		edit func(*redisv1.RedisCluster)
		same bool
	}{
		"a label of all objects":  {func(rc *redisv1.RedisCluster) { rc.Spec.AdditionalLabels = map[string]string{"a": "b"} }, true},
		"more masters":            {func(rc *redisv1.RedisCluster) { rc.Spec.NumberOfMaster = new(int32(9)) }, true},
		"another image":           {func(rc *redisv1.RedisCluster) { rc.Spec.PodTemplate.Spec.Containers[0].Image = "redis:8" }, false},
		"a module":                {modules("/a.so"), false},
		"a command taken":         {renamed(redisv1.RenamedCommands{"flushall": ""}), false},
		"another share of memory": {func(rc *redisv1.RedisCluster) { rc.Spec.Memory.MaxmemoryPercent = new(int32(50)) }, false},
		"another setting":         {func(rc *redisv1.RedisCluster) { rc.Spec.Config["maxmemory-policy"] = "noeviction" }, false},
	} {
		other := rc.DeepCopy()
		tc.edit(other)
		second, err := NewRevision(other)
		if err != nil || (second.Name == first.Name) != tc.same {
			t.Errorf("%s: %s and %s, %v", name, first.Name, second.Name, err)
		}
	}
}
