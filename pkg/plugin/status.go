package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// ErrNotDone says that --until-done ended before the RedisCluster was as its spec wants it.
var ErrNotDone = errors.New("it is not done")

// status prints the conditions of a RedisCluster, and the migration that is under way.
func (c *command) status(ctx context.Context, clients Clients, args []string) error {
	if c.watch || c.untilDone {
		return c.watchStatus(ctx, clients, args[0])
	}
	rc, err := clients.get(ctx, args[0])
	if err != nil {
		return err
	}
	if output := Output(c.output); output == OutputJSON || output == OutputYAML {
		text, err := encode(rc, output)
		if err != nil {
			return err
		}
		return c.print(text)
	}
	return c.print(statusText(rc, c.look(), c.now()))
}

// look fits into the terminal, less a column: some break a line that is full.
func (c *command) look() look {
	width, _ := c.term.size()
	return look{width: max(0, width-1), paint: paint(c.term.colours), wide: Output(c.output) == OutputWide}
}

// watchStatus draws the status again whenever the RedisCluster changes, until ctx ends or it is done. What is not a
// terminal gets a line for each change.
func (c *command) watchStatus(ctx context.Context, clients Clients, name string) error {
	bounded, cancel := withTimeout(ctx, c.timeout)
	defer cancel()
	surface := &canvas{out: c.streams.Out, term: c.term}
	last, done := "", false
	err := c.eachChange(bounded, clients, name, func(ctx context.Context) (bool, error) {
		rc, err := clients.get(ctx, name)
		if err != nil {
			return false, err
		}
		if err := c.drawStatus(surface, rc, &last); err != nil {
			return false, err
		}
		done = c.untilDone && isDone(rc)
		if why := standstill(rc); c.untilDone && why != "" {
			return false, fmt.Errorf("%w: %s", ErrNotDone, why)
		}
		return done, nil
	})
	switch {
	case err != nil || done || !c.untilDone:
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%w: interrupted", ErrNotDone)
	}
	return fmt.Errorf("%w after %s", ErrNotDone, c.timeout)
}

// withTimeout ends after a while, or never when that is 0.
func withTimeout(ctx context.Context, after time.Duration) (context.Context, context.CancelFunc) {
	if after <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, after)
}

func (c *command) drawStatus(surface *canvas, rc *redisv1.RedisCluster, last *string) error {
	if c.term.inPlace {
		return surface.draw(statusText(rc, c.look(), c.now()))
	}
	line := statusLine(rc, c.now())
	if line == *last {
		return nil
	}
	*last = line
	return c.print(c.now().Format(time.TimeOnly) + " " + line + "\n")
}

// isDone says that the RedisCluster is as its spec wants it.
func isDone(rc *redisv1.RedisCluster) bool {
	return reasonOf(rc, redisv1.ConditionProgressing) == plan.Converged
}

// standstill says why nothing will change before somebody does something; "" when that is not so.
func standstill(rc *redisv1.RedisCluster) string {
	if !standsStill(reasonOf(rc, redisv1.ConditionProgressing)) {
		return ""
	}
	p := meta.FindStatusCondition(rc.Status.Conditions, redisv1.ConditionProgressing)
	return p.Reason + ": " + oneLine(p.Message)
}

// standsStill says of a reason that only a person can change something about it, or a time that may be far.
func standsStill(reason string) bool {
	return slices.Contains([]string{
		plan.Paused, plan.DataDoesNotFit, plan.UpdateAwaitsApproval, plan.AwaitingWindow, plan.HostInMaintenance,
		redisv1.ReasonDryRun, redisv1.ReasonInvalidSpec, redisv1.ReasonKeyTooBig,
	}, reason)
}

// statusLine is a status on one line.
func statusLine(rc *redisv1.RedisCluster, now time.Time) string {
	parts := []string{fmt.Sprintf("%s/%s: %s", rc.Namespace, rc.Name, doing(rc))}
	if m := rc.Status.Migration; m != nil {
		sentence := progressOf(m).sentence(now)
		switch reason := reasonOf(rc, redisv1.ConditionProgressing); reason {
		case plan.MovingSlots, plan.DrainingShards: // its message says less
			parts = []string{fmt.Sprintf("%s/%s: %s: %s", rc.Namespace, rc.Name, reason, sentence)}
		default:
			parts = append(parts, sentence)
		}
		if n := len(m.Blocked); n > 0 {
			parts = append(parts, plural(int64(n), "slot")+" blocked by a large key")
		}
	}
	if d := meta.FindStatusCondition(rc.Status.Conditions, redisv1.ConditionDegraded); d != nil &&
		d.Status == metav1.ConditionTrue {
		parts = append(parts, fmt.Sprintf("needs attention: %s: %s", d.Reason, oneLine(d.Message)))
	}
	return strings.Join(parts, "; ")
}

// statusText is the conditions of a RedisCluster in words, and a picture of the migration that is under way.
func statusText(rc *redisv1.RedisCluster, l look, now time.Time) string {
	lines := append(coloured(wrap(headline(rc), l.width, 2), l, bold), "")
	if note := updateNote(rc); len(note) > 0 {
		lines = append(append(lines, note...), "")
	}
	if m := rc.Status.Migration; m != nil {
		lines = append(append(lines, progressOf(m).lines(l, now)...), "")
	}
	if notes := blockedNotes(rc); len(notes) > 0 {
		for _, note := range notes {
			lines = append(lines, coloured(wrap(note, l.width, 2), l, yellow)...)
		}
		lines = append(lines, "")
	}
	lines = append(lines, conditionLines(rc, l, now)...)
	for _, text := range advice(rc) {
		lines = append(lines, wrap(text, l.width, 2)...)
	}
	return strings.Join(lines, "\n") + "\n"
}

// headline is the cluster in figures: what there is, and where that differs what is wanted.
func headline(rc *redisv1.RedisCluster) string {
	s := &rc.Status
	masters, replicas := plural(int64(s.NumberOfMaster), "master"), plural(int64(s.MinReplicationFactor), "replica")
	if wanted := *rc.Spec.NumberOfMaster; wanted != s.NumberOfMaster {
		masters += fmt.Sprintf(" (%d wanted)", wanted)
	}
	if s.MaxReplicationFactor != s.MinReplicationFactor {
		replicas = fmt.Sprintf("%d to %d replicas", s.MinReplicationFactor, s.MaxReplicationFactor)
	}
	replicas += " each"
	if wanted := *rc.Spec.ReplicationFactor; wanted != s.MinReplicationFactor || wanted != s.MaxReplicationFactor {
		replicas += fmt.Sprintf(" (%d wanted)", wanted)
	}
	return fmt.Sprintf("%s/%s: %s with %s, %d of %s ready", rc.Namespace, rc.Name, masters, replicas,
		s.PodsReady, plural(int64(rc.WantedPods()), "pod"))
}

// conditionLines are the conditions as sentences, what they answer first.
func conditionLines(rc *redisv1.RedisCluster, l look, now time.Time) []string {
	var lines []string
	if p := meta.FindStatusCondition(rc.Status.Conditions, redisv1.ConditionProgressing); p == nil || outdated(rc) ||
		rc.DeletionTimestamp != nil {
		lines = append(lines, wrap(capital(doing(rc)), l.width, 2)...)
	}
	for _, name := range []string{
		redisv1.ConditionReady, redisv1.ConditionProgressing, redisv1.ConditionDegraded,
	} {
		condition := meta.FindStatusCondition(rc.Status.Conditions, name)
		if condition == nil {
			continue
		}
		word, colour := wordOf(condition)
		text := fmt.Sprintf("%s for %s: ", word, age(condition.LastTransitionTime.Time, now))
		if condition.Reason != redisv1.ReasonHealthy && condition.Reason != plan.Converged {
			text += condition.Reason + ": "
		}
		first := true
		for _, line := range wrap(text+oneLine(condition.Message), l.width, 2) {
			if after, found := strings.CutPrefix(line, word); found && first {
				line = l.paint.with(colour, word) + after
			}
			first = false
			lines = append(lines, line)
		}
	}
	return lines
}

// wordOf is a condition in a word, and its colour.
func wordOf(c *metav1.Condition) (string, ink) {
	switch {
	case c.Type == redisv1.ConditionReady && c.Status == metav1.ConditionTrue:
		return "Ready", green
	case c.Type == redisv1.ConditionReady && c.Status == metav1.ConditionFalse:
		return "Not ready", red
	case c.Type == redisv1.ConditionReady:
		return "Ready or not is unknown", red
	case c.Type == redisv1.ConditionDegraded && c.Status == metav1.ConditionTrue:
		return "Needs attention", yellow
	case c.Type == redisv1.ConditionDegraded:
		return "In order", green
	case c.Status == metav1.ConditionTrue && !standsStill(c.Reason):
		return "At work", bold
	case c.Reason == plan.Converged:
		return "Done", green
	}
	return "Stands still", yellow
}

func capital(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
