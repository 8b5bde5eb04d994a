// Command redisnode is the agent in every pod of a RedisCluster, and what starts redis beside it.
package main

import (
	"context"
	"encoding/json"
	goflag "flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/golang/glog"
	"github.com/spf13/cobra"
	"k8s.io/utils/clock"

	"github.com/redisoperator/redis-operator/pkg/redisnode"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := newCommand(stop).ExecuteContext(ctx)
	glog.Flush()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "redisnode:", err)
		os.Exit(1)
	}
}

// newCommand has the verbs. Start gives signals back, with release, before it becomes redis.
func newCommand(release func()) *cobra.Command {
	root := &cobra.Command{
		Use:           "redisnode",
		Short:         "The agent beside every redis of a RedisCluster",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	// Logs go to the container's log; -v and -vmodule stay as they are.
	if err := goflag.Set("logtostderr", "true"); err != nil {
		fmt.Fprintln(os.Stderr, "redisnode:", err)
	}
	root.PersistentFlags().AddGoFlagSet(goflag.CommandLine)
	root.AddCommand(newInstall(), newRun(), newStart(release), newStop(), newInfo(), newUnfence(), newVersion())
	return root
}

func newInstall() *cobra.Command {
	return &cobra.Command{
		Use:   "install DIR",
		Short: "Copy this binary into a directory",
		Args:  cobra.ExactArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return redisnode.Install(args[0]) },
	}
}

func newRun() *cobra.Command {
	opts := redisnode.Options{
		PodName:      os.Getenv("POD_NAME"),
		PodNamespace: os.Getenv("POD_NAMESPACE"),
		PodUID:       os.Getenv("POD_UID"),
		PodIP:        os.Getenv("POD_IP"),
		ClusterName:  os.Getenv("CLUSTER_NAME"),
		ClusterUID:   os.Getenv("CLUSTER_UID"),
		ServiceName:  os.Getenv("SERVICE_NAME"),
		Conf:         os.Getenv("REDIS_CONF"),
		Denied:       strings.Fields(os.Getenv("DENIED_COMMANDS")),
		Version:      version,
	}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the agent: start gate, probes, hand-over",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := redisnode.New(opts)
			if err != nil {
				return err
			}
			return a.Run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.DataDir, "data-dir", redisnode.DefaultDataDir, "the data directory of redis")
	flags.StringVar(&opts.RunDir, "run-dir", redisnode.DefaultRunDir, "the directory of the sockets")
	flags.StringVar(&opts.ConfigDir, "config-dir", redisnode.DefaultConfigDir,
		"the directory of configuration and secrets")
	flags.StringVar(&opts.ListenIP, "listen-ip", "", "where the agent listens; everywhere when empty")
	flags.StringVar(&opts.RedisBind, "redis-bind", "* -::*", "the argument of redis' directive bind")
	return cmd
}

func newStart(release func()) *cobra.Command {
	var runDir string
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Wait for the agent's leave, then become redis-server or valkey-server",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			server, err := redisnode.Start(cmd.Context(), runDir, clock.RealClock{})
			if err != nil {
				return err
			}
			glog.Flush()
			release()
			//nolint:gosec // The path is that of the image's server, and the argument the agent's file.
			return syscall.Exec(server.Path, server.Args, os.Environ())
		},
	}
	cmd.Flags().StringVar(&runDir, "run-dir", redisnode.DefaultRunDir, "the directory of the sockets")
	return cmd
}

func newStop() *cobra.Command {
	var runDir string
	cmd := &cobra.Command{
		Use:   "stop",
		Short: "Hand the role over before redis stops (preStop hook)",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), redisnode.Stop(cmd.Context(), runDir))
		},
	}
	cmd.Flags().StringVar(&runDir, "run-dir", redisnode.DefaultRunDir, "the directory of the sockets")
	return cmd
}

func newInfo() *cobra.Command {
	var runDir string
	cmd := &cobra.Command{
		Use:   "info",
		Short: "Print memory, keys and role of the node as JSON",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, err := redisnode.AskInfo(cmd.Context(), runDir)
			if err != nil {
				return err
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(info)
		},
	}
	cmd.Flags().StringVar(&runDir, "run-dir", redisnode.DefaultRunDir, "the directory of the sockets")
	return cmd
}

func newUnfence() *cobra.Command {
	var runDir string
	cmd := &cobra.Command{
		Use:   "unfence",
		Short: "Let redis start again that an order, or an unreadable record, keeps from it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			result, err := redisnode.LiftFence(cmd.Context(), runDir)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), result)
			return nil
		},
	}
	cmd.Flags().StringVar(&runDir, "run-dir", redisnode.DefaultRunDir, "the directory of the sockets")
	return cmd
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run:   func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), version) },
	}
}
