//go:build e2e

// Package e2e tests the whole: charts, operator, pods and Redis on a real Kubernetes. `make e2e` starts the
// lab for it; with KUBECONFIG set it runs in that cluster.
package e2e

import (
	"fmt"
	"os"
	"testing"

	"github.com/redisoperator/redis-operator/test/e2e/framework"
)

var env *framework.Env

func TestMain(m *testing.M) {
	var err error
	if env, err = framework.NewWithOperator(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
