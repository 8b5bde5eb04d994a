package plugin

import (
	"context"
	"fmt"
	"os"
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

const longHelp = `Shows RedisClusters, and what would become of them.

Without a name it prints one line for each RedisCluster of the namespace. With a name it prints the
shards of that RedisCluster: each master with its replicas under it.

Memory, keys and clients are asked of the pods themselves, which needs the right to create pods/exec.`

const examples = `  # The RedisClusters of this namespace, and of all
  kubectl redis-cluster
  kubectl redis-cluster -A

  # The shards of one
  kubectl redis-cluster mycluster

  # What the operator is doing, and why
  kubectl redis-cluster why mycluster

  # Watch slots move; in a script, wait until nothing is left to do
  kubectl redis-cluster status mycluster --watch
  kubectl redis-cluster status mycluster --until-done --timeout=1h

  # What would be done for five masters, or for a changed manifest; nothing is changed
  kubectl redis-cluster plan mycluster --masters=5
  kubectl redis-cluster plan mycluster -f new.yaml`

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
	untilDone     bool
	timeout       time.Duration
	term          terminal
	pause         func(context.Context, time.Duration)
}

// connector makes clients from the flags that a person gave.
type connector func(*genericclioptions.ConfigFlags) (Clients, error)

// NewCommand is kubectl redis-cluster. The clock is for ages.
func NewCommand(streams genericiooptions.IOStreams, now func() time.Time) *cobra.Command {
	return newCommand(streams, now, Connect).root()
}

func newCommand(streams genericiooptions.IOStreams, now func() time.Time, connect connector) *command {
	return &command{
		streams: streams, now: now, connect: connect, flags: genericclioptions.NewConfigFlags(true),
		term: terminalOf(streams.Out, os.Getenv), pause: pauseFor,
	}
}

// root is the command without a verb, and the verbs.
func (c *command) root() *cobra.Command {
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
	root.SetOut(c.streams.Out)
	root.SetErr(c.streams.ErrOut)
	root.CompletionOptions.DisableDefaultCmd = true
	c.flags.AddFlags(root.PersistentFlags())
	root.Flags().BoolVarP(&c.allNamespaces, "all-namespaces", "A", false, "of all namespaces")
	c.showFlags(root)
	tree := c.verb("tree NAME", "Show the shards of a RedisCluster, also of one that has the name of a verb", c.show)
	c.showFlags(tree)
	root.AddCommand(tree, c.statusCommand(), c.planCommand(), c.rollbackCommand(),
		c.verb("history NAME", "List what the nodes of a RedisCluster ran before", c.history),
		c.verb("why NAME", "Say what the operator is doing with a RedisCluster, and why", c.why),
		c.verb("approve NAME", "Let a supervised update of a RedisCluster come to its masters", c.approve),
		c.verb("pause NAME", "Let the operator begin nothing more with a RedisCluster", c.setPaused(true)),
		c.verb("resume NAME", "Let the operator go on with a RedisCluster", c.setPaused(false)))
	return root
}

// verb is a command about one RedisCluster.
func (c *command) verb(use, short string, v verb) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1), RunE: c.run(v)}
}

func (c *command) outputFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&c.output, "output", "o", "", "form of the output: wide, json or yaml")
}

func (c *command) showFlags(cmd *cobra.Command) {
	c.outputFlag(cmd)
	cmd.Flags().BoolVarP(&c.watch, "watch", "w", false, "print again whenever something changes")
	cmd.Flags().BoolVar(&c.live, "live", true, "ask the pods for memory, keys and clients")
}

const statusHelp = `Shows the conditions of a RedisCluster in words, and the slots that are moving.

With --watch a terminal is drawn again at each change, until Ctrl-C; anything else gets a line for each change. With
--until-done it ends once the RedisCluster is as its spec wants it, with exit code 0, and with 1 when it stands still
until somebody does something, or when it takes longer than --timeout.`

func (c *command) statusCommand() *cobra.Command {
	cmd := c.verb("status NAME", "Show how a RedisCluster is, and the slots that are moving", c.status)
	cmd.Long = statusHelp
	c.outputFlag(cmd)
	cmd.Flags().BoolVarP(&c.watch, "watch", "w", false, "show each change, until Ctrl-C")
	cmd.Flags().BoolVar(&c.untilDone, "until-done", false, "show each change, until nothing is left to do")
	cmd.Flags().DurationVar(&c.timeout, "timeout", 0,
		"the longest that --watch and --until-done last, for example 30m; 0: for ever")
	return cmd
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
		if c.watch || c.untilDone {
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
		return Table([]*View{NewView(rc)}, OutputTable, c.now()) + "\n" + Tree(rc, live, output, c.now()), nil
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
