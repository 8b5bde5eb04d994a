// Package zz keeps dependencies in go.mod until the code that needs them is there. It goes before the first release.
package zz

import (
	_ "github.com/go-logr/glogr"
	_ "github.com/golang/glog"
	_ "github.com/mediocregopher/radix/v4"
	_ "github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/prometheus/client_golang/prometheus/testutil"
	_ "github.com/spf13/cobra"
	_ "github.com/spf13/pflag"
	_ "golang.org/x/sync/errgroup"
	_ "k8s.io/api/core/v1"
	_ "k8s.io/cli-runtime/pkg/genericclioptions"
	_ "k8s.io/client-go/informers"
	_ "k8s.io/client-go/kubernetes/fake"
	_ "k8s.io/client-go/applyconfigurations"
	_ "k8s.io/client-go/tools/leaderelection"
	_ "k8s.io/klog/v2"
	_ "k8s.io/pod-security-admission/policy"
	_ "pgregory.net/rapid"
	_ "sigs.k8s.io/yaml"
)
