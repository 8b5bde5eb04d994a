//go:build bench

package bench

import (
	"context"
	"os"
	"testing"

	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

// What sections say of who shares the processors.
const (
	sharedLab   = "the lab's three nodes and its control plane share it"
	yieldingLab = "the lab's three nodes share it, and its control plane yields to them"
)

// yieldPlane has the lab's control plane yield the processors to the nodes: at work it has machines of its own. What the
// operator has the API server do still costs, but not in place of redis.
func yieldPlane(t *testing.T, env *framework.Env) {
	t.Helper()
	lab := os.Getenv("LAB")
	if lab == "" {
		t.Fatal("LAB is not set: it names test/lab/lab.sh; make bench-daytwo and make bench-scale set it")
	}
	if _, err := env.Run(t.Context(), lab, "yield"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := env.Run(context.WithoutCancel(t.Context()), lab, "yield", "off"); err != nil {
			t.Error(err)
		}
	})
}
