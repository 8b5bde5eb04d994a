package plugin

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// rangesShown of a master's slots are printed unless the output is wide.
const rangesShown = 3

// Tree is the shards of a RedisCluster as text: each master, by its lowest slot, with its replicas under it; then the
// nodes that belong to none. What the nodes say of themselves is in live; a node without an answer has "-" there.
func Tree(rc *redisv1.RedisCluster, live []LiveInfo, output Output, now time.Time) string {
	t := &tree{rc: rc, output: output, now: now, live: map[string]LiveInfo{}, nodes: slices.Clone(rc.Status.Nodes)}
	for _, l := range live {
		t.live[l.PodName] = l
	}
	slices.SortFunc(t.nodes, func(a, b redisv1.NodeStatus) int { return comparePods(a.PodName, b.PodName) })
	var b strings.Builder
	if len(t.nodes) == 0 {
		b.WriteString("No nodes have been seen yet.\n")
	} else {
		b.WriteString(t.grid())
	}
	if notes := t.notes(); len(notes) > 0 {
		b.WriteString("\n" + strings.Join(notes, "\n") + "\n")
	}
	return b.String()
}

type tree struct {
	rc     *redisv1.RedisCluster
	output Output
	now    time.Time
	nodes  []redisv1.NodeStatus // by pod name
	live   map[string]LiveInfo  // by pod name; empty when nobody was asked
}

// comparePods orders pods by their number: demo-2 before demo-10.
func comparePods(a, b string) int {
	nameA, numberA := splitPod(a)
	nameB, numberB := splitPod(b)
	return cmp.Or(cmp.Compare(nameA, nameB), cmp.Compare(numberA, numberB), cmp.Compare(a, b))
}

func splitPod(pod string) (string, int) {
	i := strings.LastIndexByte(pod, '-')
	number, err := strconv.Atoi(pod[i+1:])
	if i < 0 || err != nil {
		return pod, 0
	}
	return pod[:i], number
}

func (t *tree) grid() string {
	g := &grid{columns: []column{
		{"POD", left},
		{"ROLE", left},
		{"IP", left},
		{"HOST", left},
		{"ZONE", left},
		{"NODE ID", left},
		{"USED", right},
		{"MAX", right},
		{"KEYS", right},
	}}
	if t.output == OutputWide {
		g.columns = append(g.columns,
			column{"FULL", left}, column{"CLIENTS", right}, column{"OFFSET", right}, column{"VERSION", left})
	}
	g.columns = append(g.columns, column{"SLOTS", left})
	shown := map[string]bool{}
	for _, m := range t.masters() {
		g.add(t.cells(m.PodName, m)...)
		t.addBranch(g, shown, t.replicasOf(m.ID))
		shown[m.PodName] = true
	}
	t.addStrays(g, shown)
	return g.String()
}

// masters own slots, and come by their lowest one.
func (t *tree) masters() []redisv1.NodeStatus {
	var found []redisv1.NodeStatus
	for _, n := range t.nodes {
		if n.Role == redisv1.RoleMaster {
			found = append(found, n)
		}
	}
	slices.SortStableFunc(found, func(a, b redisv1.NodeStatus) int { return cmp.Compare(firstSlot(a), firstSlot(b)) })
	return found
}

func firstSlot(n redisv1.NodeStatus) int {
	for slot := range slotsOf(n).All() {
		return int(slot)
	}
	return cluster.SlotCount
}

func slotsOf(n redisv1.NodeStatus) cluster.SlotSet {
	slots, err := cluster.ParseSlots(strings.Join(n.Slots, ","))
	if err != nil {
		return cluster.SlotSet{} // the raw text is still shown
	}
	return slots
}

func (t *tree) replicasOf(id string) []redisv1.NodeStatus {
	var found []redisv1.NodeStatus
	for _, n := range t.nodes {
		if id != "" && n.Role == redisv1.RoleReplica && n.MasterRef == id {
			found = append(found, n)
		}
	}
	return found
}

func (t *tree) addBranch(g *grid, shown map[string]bool, nodes []redisv1.NodeStatus) {
	for i, n := range nodes {
		limb := "├─ "
		if i == len(nodes)-1 {
			limb = "└─ "
		}
		g.add(t.cells(limb+n.PodName, n)...)
		shown[n.PodName] = true
	}
}

// addStrays adds replicas of masters that have no line, then nodes without a role.
func (t *tree) addStrays(g *grid, shown map[string]bool) {
	groups := map[string][]redisv1.NodeStatus{}
	for _, n := range t.nodes {
		switch {
		case shown[n.PodName]:
		case n.Role == redisv1.RoleReplica && n.MasterRef != "":
			title := fmt.Sprintf("(replicas of %s)", t.nameOf(n.MasterRef))
			groups[title] = append(groups[title], n)
		default:
			groups["(in no shard)"] = append(groups["(in no shard)"], n)
		}
	}
	titles := make([]string, 0, len(groups))
	for title := range groups {
		titles = append(titles, title)
	}
	slices.SortFunc(titles, func(a, b string) int { return cmp.Compare(b, a) }) // "(replicas" before "(in no"
	for _, title := range titles {
		row := make([]string, len(g.columns))
		row[0] = title
		g.add(row...)
		t.addBranch(g, shown, groups[title])
	}
}

// nameOf is the pod of a node, or its short ID when no pod is known.
func (t *tree) nameOf(id string) string {
	for _, n := range t.nodes {
		if n.ID == id {
			return n.PodName
		}
	}
	return cluster.NodeID(id).Short()
}

func (t *tree) cells(label string, n redisv1.NodeStatus) []string {
	id := cluster.NodeID(n.ID).Short()
	if t.output == OutputWide {
		id = n.ID
	}
	cells := []string{label, orDash(string(n.Role)), orDash(n.IP), orDash(n.Host), orDash(n.Zone), orDash(id)}
	l, answered := t.live[n.PodName]
	answered = answered && l.Err == nil
	figures := []string{"-", "-", "-"}
	if answered {
		figures = []string{formatBytes(l.Info.UsedMemory), formatMax(l.Info.MaxMemory), strconv.FormatInt(l.Info.Keys, 10)}
	}
	cells = append(cells, figures...)
	if t.output == OutputWide {
		more := []string{"-", "-", "-", "-"}
		if answered {
			more = []string{
				bar(l.Info.UsedMemory, l.Info.MaxMemory), strconv.FormatInt(l.Info.ConnectedClients, 10),
				strconv.FormatInt(l.Info.ReplOffset, 10), orDash(oneLine(l.Info.Version)),
			}
		}
		cells = append(cells, more...)
	}
	return append(cells, t.slotsText(n))
}

func formatMax(n int64) string {
	if n == 0 {
		return "none"
	}
	return formatBytes(n)
}

// barWidth is the number of cells of a bar.
const barWidth = 10

// bar draws a part of a whole: [####......]  41%. It always has the same width.
func bar(part, whole int64) string {
	if whole <= 0 {
		return "-"
	}
	percent := int(min(max(float64(part)/float64(whole), 0), 9.99) * 100)
	full := min((percent*barWidth+50)/100, barWidth)
	return fmt.Sprintf("[%s%s] %3d%%", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), percent)
}

// slotsText is the slots of a master and their number: 0-5460 (5461).
func (t *tree) slotsText(n redisv1.NodeStatus) string {
	if len(n.Slots) == 0 {
		return ""
	}
	shown, more := n.Slots, ""
	if t.output != OutputWide && len(shown) > rangesShown {
		more = fmt.Sprintf(",+%d more", len(shown)-rangesShown)
		shown = shown[:rangesShown]
	}
	return fmt.Sprintf("%s%s (%d)", strings.Join(shown, ","), more, slotsOf(n).Len())
}

// notes are what a person should know besides the tree.
func (t *tree) notes() []string {
	notes := t.totals()
	if missing := t.slotsWithoutOwner(); !missing.IsEmpty() {
		notes = append(notes, fmt.Sprintf("Slots without an owner: %s (%d)", missing, missing.Len()))
	}
	if m := t.rc.Status.PlacementMessage; m != "" {
		notes = append(notes, fmt.Sprintf("Placement %s: %s", orDash(string(t.rc.Status.NodesPlacement)), oneLine(m)))
	}
	notes = slices.Concat(notes, migrationNote(t.rc, t.now), blockedNotes(t.rc), t.conditions(), advice(t.rc))
	notes = append(notes, t.contradictions()...)
	return append(notes, t.silent()...)
}

func (t *tree) totals() []string {
	masters := t.masters()
	var used, limit, keys int64
	limited := true
	for _, m := range masters {
		l, ok := t.live[m.PodName]
		if !ok || l.Err != nil {
			return nil
		}
		limited = limited && l.Info.MaxMemory > 0
		used, limit, keys = used+l.Info.UsedMemory, limit+l.Info.MaxMemory, keys+l.Info.Keys
	}
	if len(masters) == 0 {
		return nil
	}
	of := ""
	if limited {
		of = " of " + formatBytes(limit)
	}
	return []string{fmt.Sprintf("Masters together: %d keys, %s%s used", keys, formatBytes(used), of)}
}

func (t *tree) slotsWithoutOwner() cluster.SlotSet {
	if !t.rc.Status.Bootstrapped {
		return cluster.SlotSet{} // none has one yet: the conditions say so
	}
	missing := cluster.AllSlots()
	for _, n := range t.nodes {
		missing = missing.Minus(slotsOf(n))
	}
	return missing
}

// conditions are those that are not as they should be.
func (t *tree) conditions() []string {
	var notes []string
	for _, c := range []struct {
		name string
		good metav1.ConditionStatus
	}{
		{redisv1.ConditionReady, metav1.ConditionTrue},
		{redisv1.ConditionDegraded, metav1.ConditionFalse},
		{redisv1.ConditionProgressing, metav1.ConditionFalse},
	} {
		if is := meta.FindStatusCondition(t.rc.Status.Conditions, c.name); is != nil && is.Status != c.good {
			notes = append(notes, fmt.Sprintf("%s %s: %s: %s", c.name, is.Status, is.Reason, oneLine(is.Message)))
		}
	}
	return notes
}

// contradictions are nodes that have changed their role since the operator looked.
func (t *tree) contradictions() []string {
	says := map[string]redisv1.NodeRole{"primary": redisv1.RoleMaster, "replica": redisv1.RoleReplica}
	var notes []string
	for _, n := range t.nodes {
		l, ok := t.live[n.PodName]
		role, known := says[l.Info.Role]
		if ok && l.Err == nil && known && n.Role != redisv1.RoleNone && role != n.Role {
			notes = append(notes, fmt.Sprintf("%s says that it is a %s now", n.PodName, role))
		}
	}
	return notes
}

// silent are the nodes that gave no figures, by reason.
func (t *tree) silent() []string {
	var reasons []string
	pods := map[string][]string{}
	for _, n := range t.nodes {
		if l := t.live[n.PodName]; l.Err != nil {
			reason := oneLine(l.Err.Error())
			if pods[reason] == nil {
				reasons = append(reasons, reason)
			}
			pods[reason] = append(pods[reason], n.PodName)
		}
	}
	var notes []string
	for _, reason := range reasons {
		who := strings.Join(pods[reason], ", ")
		if len(pods[reason]) == len(t.nodes) {
			who = "any pod"
		}
		notes = append(notes, fmt.Sprintf("No live figures of %s: %s", who, reason))
	}
	return notes
}
