package operator

import "testing"

func TestResourceOf(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/api/v1/pods":                           "pods",
		"/api/v1/namespaces/default/pods/demo-0": "pods",
		"/api/v1/namespaces/default":             "namespaces",
		"/apis/redisoperator.io/v1/namespaces/default/redisclusters/demo/status": "redisclusters",
		"/apis/coordination.k8s.io/v1/namespaces/op/leases/redis-operator":       "leases",
		"/version": "",
	} {
		if got := resourceOf(path); got != want {
			t.Errorf("resourceOf(%q) = %q, want %q", path, got, want)
		}
	}
}
