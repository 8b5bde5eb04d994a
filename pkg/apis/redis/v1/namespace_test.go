package v1_test

import (
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// A spec names what is in its own namespace: who may write one must not reach other people's Secrets through the operator,
// which may read them. What Kubernetes itself resolves for the pod, as its affinity, is its own matter.
func TestFault53_NothingOfAnotherNamespace(t *testing.T) {
	t.Parallel()
	kubernetes := reflect.TypeFor[corev1.Pod]().PkgPath()
	seen := map[reflect.Type]bool{}
	var walk func(path string, of reflect.Type)
	walk = func(path string, of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice || of.Kind() == reflect.Map {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || seen[of] {
			return
		}
		seen[of] = true
		if of == reflect.TypeFor[corev1.SecretReference]() || of == reflect.TypeFor[corev1.ObjectReference]() {
			t.Errorf("%s names a namespace", path)
		}
		if of.PkgPath() == kubernetes {
			return
		}
		for f := range of.Fields() {
			if strings.Contains(strings.ToLower(f.Name), "namespace") {
				t.Errorf("%s.%s is of another namespace", path, f.Name)
			}
			walk(path+"."+f.Name, f.Type)
		}
	}
	walk("spec", reflect.TypeFor[redisv1.RedisClusterSpec]())
	if len(seen) < 10 {
		t.Errorf("only %d types were looked at", len(seen))
	}
}
