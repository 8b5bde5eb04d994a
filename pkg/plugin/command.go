package plugin

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// Output is a value of the flag --output.
type Output string

// The forms of output.
const (
	OutputTable Output = ""
	OutputWide  Output = "wide"
	OutputJSON  Output = "json"
	OutputYAML  Output = "yaml"
)

const longHelp = `Shows RedisClusters.

Without a name it prints one line for each RedisCluster of the namespace. With a name it prints the
shards of that RedisCluster: each master with its replicas under it.

Memory, keys and clients are asked of the pods themselves, which needs the right to create pods/exec.`

const examples = `  # The RedisClusters of this namespace, and of all
  kubectl redis-cluster
  kubectl redis-cluster -A

  # The shards of one
  kubectl redis-cluster mycluster

  # What the operator is doing, and why
  kubectl redis-cluster why mycluster`

// command is what all verbs share.
type command struct {
	streams       genericiooptions.IOStreams
	now           func() time.Time
	flags         *genericclioptions.ConfigFlags
	connect       connector
	output        string
	allNamespaces bool
	watch         bool
	live          bool
}

// connector makes clients from the flags that a person gave.
type connector func(*genericclioptions.ConfigFlags) (Clients, error)

// NewCommand is kubectl redis-cluster. The clock is for ages.
func NewCommand(streams genericiooptions.IOStreams, now func() time.Time) *cobra.Command {
	return newCommand(streams, now, Connect)
}

func newCommand(streams genericiooptions.IOStreams, now func() time.Time, connect connector) *cobra.Command {
	c := &command{streams: streams, now: now, connect: connect, flags: genericclioptions.NewConfigFlags(true)}
	root := &cobra.Command{
		Use:           "redis-cluster [NAME]",
		Short:         "Show RedisClusters",
		Long:          longHelp,
		Example:       examples,
		Args:          cobra.MaximumNArgs(1),
		SilenceUsage:  true,
		SilenceErrors: true,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl redis-cluster"},
		RunE:          c.run(c.show),
	}
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	root.CompletionOptions.DisableDefaultCmd = true
	c.flags.AddFlags(root.PersistentFlags())
	status := &cobra.Command{
		Use:   "status NAME",
		Short: "Show the shards of a RedisCluster, also of one that has the name of a verb",
		Args:  cobra.ExactArgs(1),
		RunE:  c.run(c.show),
	}
	for _, cmd := range []*cobra.Command{root, status} {
		cmd.Flags().StringVarP(&c.output, "output", "o", "", "form of the output: wide, json or yaml")
		cmd.Flags().BoolVarP(&c.watch, "watch", "w", false, "print again whenever something changes")
		cmd.Flags().BoolVar(&c.live, "live", true, "ask the pods for memory, keys and clients")
	}
	root.Flags().BoolVarP(&c.allNamespaces, "all-namespaces", "A", false, "of all namespaces")
	root.AddCommand(status, &cobra.Command{
		Use:   "why NAME",
		Short: "Say what the operator is doing with a RedisCluster, and why",
		Args:  cobra.ExactArgs(1),
		RunE:  c.run(c.why),
	})
	return root
}

// verb is one thing that the plugin can do.
type verb func(ctx context.Context, clients Clients, args []string) error

func (c *command) run(v verb) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := c.validate(args); err != nil {
			return err
		}
		clients, err := c.connect(c.flags)
		if err != nil {
			return err
		}
		if c.allNamespaces {
			clients.Namespace = ""
		}
		return v(cmd.Context(), clients, args)
	}
}

func (c *command) validate(args []string) error {
	switch Output(c.output) {
	case OutputTable, OutputWide:
	case OutputJSON, OutputYAML:
		if c.watch {
			return fmt.Errorf("--watch does not go with --output=%s", c.output)
		}
	default:
		return fmt.Errorf("--output must be wide, json or yaml, not %q", c.output)
	}
	if c.allNamespaces && len(args) > 0 {
		return fmt.Errorf("%q has one namespace: --all-namespaces does not go with a name", args[0])
	}
	return nil
}

// show prints one RedisCluster or all.
func (c *command) show(ctx context.Context, clients Clients, args []string) error {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	if c.watch {
		return c.showChanges(ctx, clients, name)
	}
	text, err := c.text(ctx, clients, name)
	if err != nil {
		return err
	}
	if text == "" {
		return c.printEmpty(clients)
	}
	return c.print(text)
}

// text is what show prints of what is there now; "" when there is nothing.
func (c *command) text(ctx context.Context, clients Clients, name string) (string, error) {
	if name == "" {
		list, err := clients.list(ctx)
		if err != nil {
			return "", err
		}
		return ListText(list, Output(c.output), c.now())
	}
	rc, err := clients.get(ctx, name)
	if err != nil {
		return "", err
	}
	switch output := Output(c.output); output {
	case OutputJSON, OutputYAML:
		return encode(rc, output)
	case OutputTable, OutputWide:
		var live []LiveInfo
		if c.live {
			live = clients.askAll(ctx, rc)
		}
		return Table([]*View{NewView(rc)}, OutputTable, c.now()) + "\n" + Tree(rc, live, output), nil
	}
	return "", fmt.Errorf("unknown output %q", c.output)
}

func (c *command) print(text string) error {
	if _, err := fmt.Fprint(c.streams.Out, text); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func (c *command) printEmpty(clients Clients) error {
	text := "No resources found\n"
	if clients.Namespace != "" {
		text = fmt.Sprintf("No resources found in %s namespace.\n", clients.Namespace)
	}
	if _, err := fmt.Fprint(c.streams.ErrOut, text); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
