// Operator creates, heals and scales Redis Clusters in a Kubernetes cluster.
package main

import (
	"context"
	"errors"
	goflag "flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/golang/glog"
	"github.com/spf13/pflag"

	"github.com/redisoperator/redis-operator/pkg/operator"
)

// version is set by the build.
var version = "dev"

func main() {
	options := operator.NewOptions()
	options.AddFlags(pflag.CommandLine)
	printVersion := pflag.Bool("version", false, "print the version and end")
	// glog's flags; a container's log is its standard error.
	if err := goflag.Set("logtostderr", "true"); err != nil {
		glog.Exitf("glog: %v", err)
	}
	pflag.CommandLine.AddGoFlagSet(goflag.CommandLine)
	pflag.Parse()
	if *printVersion {
		fmt.Println(version)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	glog.Infof("redis-operator %s", version)
	err := operator.Run(ctx, options)
	if errors.Is(err, operator.ErrLostLease) {
		glog.Errorf("redis-operator: %v; starting again", err)
		glog.Flush()
		err = startAgain()
	}
	if err != nil {
		glog.Exitf("redis-operator: %v", err)
	}
	glog.Flush()
}
