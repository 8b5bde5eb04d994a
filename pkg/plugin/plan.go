package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/yaml"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/kube"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

// ErrRefused says that the operator would not do what was asked for.
var ErrRefused = errors.New("the operator would refuse this")

// ErrChanges says, to who wants to know by the exit code, that there is something to do.
var ErrChanges = errors.New("there is something to do")

const planHelp = `Shows what the operator would do with a RedisCluster, in order, before anything is done: pods, slots,
keys and bytes that move, failovers, and about how long it takes.

The plan is for the spec as it is, for the one in a manifest (-f), or for other numbers (--masters, --replicas). A spec
that is not stored yet is shown to the API server as a dry run, so that what it refuses is seen here. When the
annotation redisoperator.io/dry-run is set, the plan without flags is the operator's own.

Nothing is changed. Keys and bytes are asked of the pods, which needs the right to create pods/exec.

The exit code is 0 when there is a plan, also an empty one, and 1 when it would be refused or cannot be made. With
--detailed-exitcode it is 2 when there is something to do.`

const planExamples = `  # What is left to do
  kubectl redis-cluster plan mycluster

  # What kubectl scale and kubectl apply would lead to
  kubectl redis-cluster plan mycluster --masters=5
  kubectl redis-cluster plan mycluster -f new.yaml
  helm template mycluster charts/redis-cluster -f values.yaml | kubectl redis-cluster plan mycluster -f -`

// planFlags are what a plan is for.
type planFlags struct {
	file                        string
	masters, replicas           int32
	givenMasters, givenReplicas bool
	detailed                    bool
}

func (f planFlags) given() bool { return f.file != "" || f.givenMasters || f.givenReplicas }

func (c *command) planCommand() *cobra.Command {
	flags := planFlags{}
	cmd := c.verb("plan NAME", "Show what would be done with a RedisCluster, before it is done",
		func(ctx context.Context, clients Clients, args []string) error {
			return c.plan(ctx, clients, args[0], flags)
		})
	cmd.Long, cmd.Example = planHelp, planExamples
	cmd.PreRun = func(cmd *cobra.Command, _ []string) {
		flags.givenMasters, flags.givenReplicas = cmd.Flags().Changed("masters"), cmd.Flags().Changed("replicas")
	}
	c.outputFlag(cmd)
	cmd.Flags().StringVarP(&flags.file, "filename", "f", "", "manifest with the spec to plan for; - for standard input")
	cmd.Flags().Int32Var(&flags.masters, "masters", 0, "plan for this spec.numberOfMaster")
	cmd.Flags().Int32Var(&flags.replicas, "replicas", 0, "plan for this spec.replicationFactor")
	cmd.Flags().BoolVar(&c.live, "live", true, "ask the pods for memory and keys")
	cmd.Flags().BoolVar(&flags.detailed, "detailed-exitcode", false, "exit with 2 when there is something to do")
	return cmd
}

// plan prints what would be done.
func (c *command) plan(ctx context.Context, clients Clients, name string, flags planFlags) error {
	live, err := clients.get(ctx, name)
	if err != nil {
		return err
	}
	p := &prospect{rc: live, before: live}
	if flags.given() {
		if err = c.propose(ctx, clients, p, flags); err != nil {
			return err
		}
	}
	if p.otherPods() {
		if p.resizes, err = kube.ServesResize(clients.Kube.Discovery()); err != nil {
			return err
		}
	}
	if own := live.Status.Plan; own != nil && !flags.given() && !outdated(live) {
		p.status = *own
		p.notes = append(p.notes, "The operator made this plan. "+carryOut(live))
	} else {
		var said []LiveInfo
		if c.live {
			said = clients.askAll(ctx, live)
		}
		p.closed, _ = objects.Closed(p.rc, c.now()) // the operator tells of a window that cannot be read
		p.outline(said)
	}
	if err := c.printPlan(p); err != nil {
		return err
	}
	switch {
	case p.status.Refused != "":
		return ErrRefused
	case flags.detailed && p.something():
		return ErrChanges
	}
	return nil
}

// propose makes the spec that the plan is for, and shows it to the API server.
func (c *command) propose(ctx context.Context, clients Clients, p *prospect, flags planFlags) error {
	spec := p.before.Spec.DeepCopy()
	if flags.file != "" {
		var err error
		if spec, err = readManifest(c.streams.In, flags.file, p.before); err != nil {
			return err
		}
	}
	if flags.givenMasters {
		spec.NumberOfMaster = &flags.masters
	}
	if flags.givenReplicas {
		spec.ReplicationFactor = &flags.replicas
	}
	tried, err := clients.tryUpdate(ctx, p.before.Name, func(rc *redisv1.RedisCluster) { spec.DeepCopyInto(&rc.Spec) })
	if apierrors.IsForbidden(err) {
		p.notes = append(p.notes, "You may not update RedisClusters: whether the API server takes this spec is not known.")
		tried = p.before.DeepCopy()
		spec.DeepCopyInto(&tried.Spec)
		redisv1.SetDefaults(tried)
		err = plausible(tried)
	}
	if err != nil {
		return err
	}
	// What the dry run gives back has the status of that moment: the plan is about the one that was looked at.
	tried.Status = p.before.Status
	p.rc = tried
	return nil
}

// plausible refuses numbers that no API server would take.
func plausible(rc *redisv1.RedisCluster) error {
	masters, replicas := *rc.Spec.NumberOfMaster, *rc.Spec.ReplicationFactor
	if masters < 3 || replicas < 0 || int64(masters)*(1+int64(replicas)) > 1000 {
		return fmt.Errorf("%d masters with %d replicas each cannot be: at least 3 masters, and at most 1000 nodes",
			masters, replicas)
	}
	return nil
}

// prospect is a plan for people.
type prospect struct {
	rc     *redisv1.RedisCluster // with the spec that the plan is for
	before *redisv1.RedisCluster
	// resizes says that running pods can get other memory and processors.
	resizes bool
	status  redisv1.PlanStatus
	closed  string // why nothing that is well is disturbed now
	notes   []string
	// What only a plan that was made here has:
	outlined bool
	moves    []plan.OutlinedMove
	failover int
	waits    string
	figures  figuresKnown
}

// figuresKnown says of how many primaries keys and bytes are known.
type figuresKnown int

const (
	figuresAll figuresKnown = iota
	figuresSome
	figuresNone
)

// something says that there is something to do.
func (p *prospect) something() bool {
	return len(p.status.Steps) > 0 || p.waits != "" || p.status.Slots > 0 ||
		len(p.status.PodsCreated)+len(p.status.PodsDeleted) > 0
}

// outline makes the plan by the operator's own rules.
func (p *prospect) outline(live []LiveInfo) {
	view := viewOf(p.rc, live)
	reclass(&view, p.before, p.rc)
	if p.otherPods() {
		p.outdate(&view)
	}
	w := wantedOf(p.rc)
	w.Closed = p.closed
	o := plan.Outline(w, view)
	p.outlined, p.moves, p.failover, p.waits = true, o.Moves, o.Failovers, o.Waits
	p.status = redisv1.PlanStatus{
		Steps: o.Steps, PodsDeleted: o.PodsDeleted, Slots: int32(o.Slots), Keys: o.Keys, //nolint:gosec // at most 16384
		Bytes: o.Bytes, EstimatedSeconds: int64(o.Duration(speedOf(p.rc, live)).Seconds()), Refused: o.Refused,
	}
	for _, ordinal := range o.PodsCreated {
		p.status.PodsCreated = append(p.status.PodsCreated, p.rc.PodName(ordinal))
	}
	p.know(live)
	if p.rc.Spec.Migration.Balance == redisv1.BalanceBytes && len(o.Moves) > 0 {
		p.notes = append(p.notes, "spec.migration.balance is Bytes: the operator weighs slots first, and may move others.")
	}
	if more := notOutlined(p.before.Spec, p.rc.Spec); len(more) > 0 {
		p.notes = append(p.notes, fmt.Sprintf("Not part of the plan, but changed: %s.", strings.Join(more, ", ")))
	}
	if p.rc.Spec.Paused {
		p.notes = append(p.notes, "It is paused, and nothing of this is begun. "+adviceOn(p.rc, plan.Paused))
	}
	if p.before.Annotations[redisv1.AnnotationDryRun] == "true" {
		p.notes = append(p.notes, "The annotation "+redisv1.AnnotationDryRun+" keeps the operator from doing any of this.")
	}
	if outdated(p.before) {
		p.notes = append(p.notes, "The operator has not answered the present spec yet: the plan is of what it saw before.")
	}
}

// otherPods says that the template of the pods changes.
func (p *prospect) otherPods() bool {
	return !equality.Semantic.DeepEqual(p.before.Spec.PodTemplate, p.rc.Spec.PodTemplate)
}

// outdate has all pods be of another template. Those that can get what is new while they run are as the spec before
// has them.
func (p *prospect) outdate(v *cluster.View) {
	pod := objects.NewPod(p.before, 0, objects.Images{})
	resize := p.resizes && objects.Resizable(pod, p.rc, objects.MemoryLimit(p.before))
	for i := range v.Members {
		switch m := &v.Members[i]; {
		case resize && !m.Pod.Outdated:
			m.Pod.Resize = cluster.ResizeDue
		default:
			m.Pod.Outdated = true
		}
	}
}

// know says how far the figures of a plan can be trusted.
func (p *prospect) know(live []LiveInfo) {
	answered := map[string]bool{}
	for _, l := range live {
		answered[l.PodName] = l.Err == nil
	}
	masters, known := 0, 0
	for _, n := range p.before.Status.Nodes {
		if n.Role != redisv1.RoleMaster {
			continue
		}
		masters++
		if answered[n.PodName] {
			known++
		}
	}
	switch known {
	case masters:
		return
	case 0:
		p.figures = figuresNone
		p.notes = append(p.notes, "Keys and bytes are not known, nor whether they fit: no master said what it holds.")
	default:
		p.figures = figuresSome
		p.notes = append(p.notes, fmt.Sprintf("Keys, bytes and time are more than this, and whether they fit is not known:"+
			" %d of %d masters did not say what they hold.", masters-known, masters))
	}
	t := &tree{rc: p.before, nodes: slices.Clone(p.before.Status.Nodes), live: map[string]LiveInfo{}}
	for _, l := range live {
		t.live[l.PodName] = l
	}
	p.notes = append(p.notes, t.silent()...)
}

func (c *command) printPlan(p *prospect) error {
	output := Output(c.output)
	if output != OutputJSON && output != OutputYAML {
		return c.print(planText(p, c.look()))
	}
	if p.waits != "" {
		p.status.Steps = append(slices.Clone(p.status.Steps), "wait: "+p.waits) // as the operator says it
	}
	text, err := json.MarshalIndent(p.status, "", "    ")
	if err == nil && output == OutputYAML {
		text, err = yaml.JSONToYAML(text)
	}
	if err != nil {
		return fmt.Errorf("encode as %s: %w", output, err)
	}
	return c.print(strings.TrimSuffix(string(text), "\n") + "\n")
}
