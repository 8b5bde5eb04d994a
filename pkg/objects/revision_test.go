package objects

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// A revision brings back what it was made of, and what it does not keep makes no other one.
func TestRevision(t *testing.T) {
	t.Parallel()
	rc := cluster()
	rc.Spec.Config = redisv1.Config{"maxmemory-policy": "allkeys-lru"}
	first, err := NewRevision(rc)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := ParseRevision(first)
	if err != nil || !equality.Semantic.DeepEqual(kept.Spec.PodTemplate, rc.Spec.PodTemplate) ||
		kept.Spec.Config["maxmemory-policy"] != "allkeys-lru" {
		t.Errorf("%+v, %v", kept, err)
	}
	for name, tc := range map[string]struct {
		edit func(*redisv1.RedisCluster)
		same bool
	}{
		"a label of all objects": {func(rc *redisv1.RedisCluster) { rc.Spec.AdditionalLabels = map[string]string{"a": "b"} }, true},
		"more masters":           {func(rc *redisv1.RedisCluster) { rc.Spec.NumberOfMaster = new(int32(9)) }, true},
		"another image":          {func(rc *redisv1.RedisCluster) { rc.Spec.PodTemplate.Spec.Containers[0].Image = "redis:8" }, false},
		"a module":               {modules("/a.so"), false},
		"a command taken":        {renamed(redisv1.RenamedCommands{"flushall": ""}), false},
		"another setting":        {func(rc *redisv1.RedisCluster) { rc.Spec.Config["maxmemory-policy"] = "noeviction" }, false},
	} {
		other := rc.DeepCopy()
		tc.edit(other)
		second, err := NewRevision(other)
		if err != nil || (second.Name == first.Name) != tc.same {
			t.Errorf("%s: %s and %s, %v", name, first.Name, second.Name, err)
		}
	}
}
