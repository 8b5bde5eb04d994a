package plugin

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

const (
	// movesShown, podsShown and the cells of a step are printed, unless the output is wide: slots can be many ranges.
	movesShown = 16
	podsShown  = 6
	stepShown  = 200
	// planTitles is where the figures of a plan begin.
	planTitles = 11
)

// planText is a plan for people.
func planText(p *prospect, l look) string {
	lines := coloured(wrap(planTitle(p), l.width, 2), l, bold)
	switch {
	case p.something():
		lines = append(lines, "")
	case p.status.Refused == "":
		lines = append(lines, "", "Nothing to do.")
	}
	digits := len(fmt.Sprint(len(p.status.Steps)))
	for i, step := range p.status.Steps {
		text := oneLine(step)
		if !l.wide {
			text = clip(text, stepShown)
		}
		lines = append(lines, wrap(fmt.Sprintf("%*d. %s", digits, i+1, text), l.width, digits+2)...)
	}
	if p.waits != "" {
		lines = append(lines, wrap("Then it waits, and what comes after is not known: "+oneLine(p.waits), l.width, 2)...)
	}
	if p.something() {
		lines = append(append(lines, ""), p.figureLines(l)...)
	}
	if len(p.moves) > 0 {
		lines = append(append(lines, ""), p.moveLines(l)...)
	}
	if p.status.Refused != "" {
		lines = append(append(lines, ""), coloured(wrap("Refused: "+oneLine(p.status.Refused), l.width, 2), l, red)...)
	}
	lines = append(lines, "")
	for _, note := range p.notes {
		lines = append(lines, wrap(note, l.width, 2)...)
	}
	if len(p.notes) > 0 {
		lines = append(lines, "")
	}
	return strings.Join(append(lines, "Nothing was changed."), "\n") + "\n"
}

func coloured(lines []string, l look, colour ink) []string {
	for i := range lines {
		lines[i] = l.paint.with(colour, lines[i])
	}
	return lines
}

// planTitle says what the plan leads from and to.
func planTitle(p *prospect) string {
	s, to := &p.before.Status, shape(*p.rc.Spec.NumberOfMaster, *p.rc.Spec.ReplicationFactor)
	title := fmt.Sprintf("%s/%s: ", p.rc.Namespace, p.rc.Name)
	if !s.Bootstrapped {
		return title + "to " + to
	}
	from := shape(s.NumberOfMaster, s.MinReplicationFactor)
	if s.MinReplicationFactor != s.MaxReplicationFactor {
		from = fmt.Sprintf("%s with %d to %d replicas each", plural(int64(s.NumberOfMaster), "master"),
			s.MinReplicationFactor, s.MaxReplicationFactor)
	}
	if from == to {
		return title + to
	}
	return title + from + " → " + to
}

func shape(masters, replicas int32) string {
	return fmt.Sprintf("%s with %s each", plural(int64(masters), "master"), plural(int64(replicas), "replica"))
}

// plural is "1 key" or "2 keys".
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return formatCount(n) + " " + noun + "s"
}

// figureLines are what the steps come to.
func (p *prospect) figureLines(l look) []string {
	s := &p.status
	var lines []string
	add := func(title, text string) {
		lines = append(lines, wrap(fmt.Sprintf("%-*s%s", planTitles, title, text), l.width, planTitles)...)
	}
	add("Pods", fmt.Sprintf("%d created%s, %d deleted%s", len(s.PodsCreated), podNames(s.PodsCreated, l),
		len(s.PodsDeleted), podNames(s.PodsDeleted, l)))
	slots := formatCount(int64(s.Slots)) + " of " + formatCount(cluster.SlotCount) + " move"
	if s.Slots > 0 {
		slots += ", with " + p.load(s.Keys, s.Bytes)
	}
	add("Slots", slots)
	if p.outlined {
		add("Failovers", formatCount(int64(p.failover)))
	}
	add("Time", p.time())
	return lines
}

// load is keys and bytes, as far as they are known.
func (p *prospect) load(keys, bytes int64) string {
	text := plural(keys, "key") + ", " + formatBytes(max(0, bytes))
	switch {
	case p.rc.Spec.Migration.Engine == redisv1.EngineSlotsOnly:
		return text + ": THE KEYS ARE DROPPED (spec.migration.engine is SlotsOnly)"
	case p.figures == figuresNone:
		return "an unknown number of keys"
	case p.figures == figuresSome:
		return "at least " + text
	}
	return "about " + text
}

func (p *prospect) time() string {
	seconds := min(max(0, p.status.EstimatedSeconds), int64(math.MaxInt64/time.Second))
	text := duration.HumanDuration(time.Duration(seconds) * time.Second)
	switch {
	case p.waits != "":
		return "about " + text + ", and as long as is waited"
	case p.status.Slots > 0 && p.figures != figuresAll:
		return "at least " + text
	}
	return "about " + text
}

func podNames(pods []string, l look) string {
	if len(pods) == 0 {
		return ""
	}
	more := ""
	if !l.wide && len(pods) > podsShown {
		more = fmt.Sprintf(" and %d more", len(pods)-podsShown)
		pods = pods[:podsShown]
	}
	return " (" + strings.Join(pods, ", ") + more + ")"
}

// moveLines are the slots that change hands, in the order of the pods.
func (p *prospect) moveLines(l look) []string {
	g := &grid{columns: []column{
		{"FROM", left}, {"  TO", left}, {"SLOTS", right}, {"KEYS", right}, {"BYTES", right},
	}}
	if l.wide {
		g.columns = append(g.columns, column{"WHICH", left})
	}
	moves := slices.Clone(p.moves)
	slices.SortStableFunc(moves, func(a, b plan.OutlinedMove) int {
		return cmp.Or(comparePods(a.From, b.From), comparePods(a.To, b.To))
	})
	hidden := 0
	if !l.wide && len(moves) > movesShown {
		hidden = len(moves) - movesShown
		moves = moves[:movesShown]
	}
	for _, m := range moves {
		keys, bytes := formatCount(m.Keys), formatBytes(max(0, m.Bytes))
		if p.figures == figuresNone {
			keys, bytes = "-", "-"
		}
		row := []string{oneLine(m.From), "→ " + oneLine(m.To), formatCount(int64(m.Slots.Len())), keys, bytes}
		if l.wide {
			row = append(row, m.Slots.String())
		}
		g.add(row...)
	}
	lines := strings.Split(strings.TrimSuffix(g.String(), "\n"), "\n")
	if hidden > 0 {
		lines = append(lines, fmt.Sprintf("and %d more: see -o wide", hidden))
	}
	return lines
}
