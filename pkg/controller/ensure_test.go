package controller

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/redisoperator/redis-operator/pkg/objects"
)

// A Secret that an operator made which knew fewer users gets what it lacks, once; what nodes know already stays.
func TestEnsureSecrets_AddsWhatAnOlderOperatorDidNotMake(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	internal := func() map[string][]byte { return mustFind[*corev1.Secret](t, f.api, "shop", "demo-internal").Data }
	before := internal()
	edit(f.api, "shop", "demo-internal", func(s *corev1.Secret) { delete(s.Data, objects.KeyMoverPassword) })
	f.start() // an operator of today, which has nothing in memory
	f.life.take()
	for range 3 {
		if err := f.lookFresh("shop"); err != nil {
			t.Fatal(err)
		}
	}
	if writes := f.life.take(); len(writes) != 1 || writes[0] != "api update secrets demo-internal" {
		t.Errorf("wrote %q", writes)
	}
	after := internal()
	for _, key := range objects.InternalKeys() {
		switch {
		case key == objects.KeyMoverPassword && (len(after[key]) == 0 || string(after[key]) == string(before[key])):
			t.Errorf("%s was not made anew", key)
		case key != objects.KeyMoverPassword && string(after[key]) != string(before[key]):
			t.Errorf("%s has changed", key)
		}
	}
	if !f.isReady("shop") {
		t.Errorf("the cluster is not ready any more\n%s", f)
	}
}
