// Command kubectl-redis_cluster is kubectl redis-cluster.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/redisoperator/redis-operator/pkg/plugin"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	cmd := plugin.NewCommand(streams, time.Now)
	cmd.Version = version
	err := cmd.ExecuteContext(ctx)
	stop()
	switch {
	case errors.Is(err, plugin.ErrChanges): // an answer, not an error
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
