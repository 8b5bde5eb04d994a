package plugin

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// eventsShown is how many of the last events why prints.
const eventsShown = 10

func (c *command) why(ctx context.Context, clients Clients, args []string) error {
	rc, err := clients.get(ctx, args[0])
	if err != nil {
		return err
	}
	events, err := clients.events(ctx, rc)
	if err != nil {
		return err
	}
	return c.print(Why(rc, events, c.now()))
}

// Why is what the operator is doing with a RedisCluster, its conditions, and the last events about it.
func Why(rc *redisv1.RedisCluster, events []corev1.Event, now time.Time) string {
	lines := []string{fmt.Sprintf("%s/%s: %s", rc.Namespace, rc.Name, doing(rc))}
	lines = slices.Concat(lines, updateNote(rc), migrationNote(rc, now), blockedNotes(rc), advice(rc))
	text := strings.Join(lines, "\n") + "\n"
	if len(rc.Status.Conditions) > 0 {
		text += "\n" + conditionsText(rc, now)
	}
	return text + "\n" + eventsText(eventsOf(rc, events), now)
}

// doing is the operator's own sentence.
func doing(rc *redisv1.RedisCluster) string {
	if rc.DeletionTimestamp != nil {
		return opsDeleting
	}
	if rc.Status.ObservedGeneration == 0 {
		return "the operator has not looked at it yet: does it run, and does it watch this namespace?"
	}
	if outdated(rc) {
		return fmt.Sprintf("the operator has not answered generation %d of the spec yet, but %d",
			rc.Generation, rc.Status.ObservedGeneration)
	}
	p := meta.FindStatusCondition(rc.Status.Conditions, redisv1.ConditionProgressing)
	if p == nil {
		return "there is no condition Progressing"
	}
	return fmt.Sprintf("%s: %s", p.Reason, oneLine(p.Message))
}

func conditionsText(rc *redisv1.RedisCluster, now time.Time) string {
	g := &grid{columns: []column{
		{"CONDITION", left}, {"STATUS", left}, {"SINCE", right}, {"REASON", left}, {"MESSAGE", left},
	}}
	order := []string{redisv1.ConditionReady, redisv1.ConditionProgressing, redisv1.ConditionDegraded}
	conditions := slices.Clone(rc.Status.Conditions)
	place := func(name string) int {
		if i := slices.Index(order, name); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortFunc(conditions, func(a, b metav1.Condition) int {
		return cmp.Or(cmp.Compare(place(a.Type), place(b.Type)), cmp.Compare(a.Type, b.Type))
	})
	for _, c := range conditions {
		g.add(c.Type, string(c.Status), age(c.LastTransitionTime.Time, now), c.Reason, oneLine(c.Message))
	}
	return g.String()
}

// eventsOf are the events about a RedisCluster, its pods and its volume claims; the oldest first, each once.
func eventsOf(rc *redisv1.RedisCluster, events []corev1.Event) []corev1.Event {
	member := regexp.MustCompile("^(data-)?" + regexp.QuoteMeta(rc.Name) + "-[0-9]+$")
	seen := map[string]bool{}
	var found []corev1.Event
	for i := range events {
		e := &events[i]
		about := e.InvolvedObject.Kind == "RedisCluster" && e.InvolvedObject.Name == rc.Name &&
			(e.InvolvedObject.UID == "" || e.InvolvedObject.UID == rc.UID)
		trouble := e.Type == corev1.EventTypeWarning && member.MatchString(e.InvolvedObject.Name)
		if (about || trouble) && !seen[e.Name] {
			seen[e.Name] = true
			found = append(found, *e)
		}
	}
	slices.SortFunc(found, func(a, b corev1.Event) int {
		return cmp.Or(lastSeen(&a).Compare(lastSeen(&b)), cmp.Compare(a.Name, b.Name))
	})
	return found[max(0, len(found)-eventsShown):]
}

// lastSeen is when an event last happened: there are four fields for it, and which are set depends on who sent it.
func lastSeen(e *corev1.Event) time.Time {
	switch {
	case e.Series != nil && !e.Series.LastObservedTime.IsZero():
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	}
	return e.CreationTimestamp.Time
}

func eventsText(events []corev1.Event, now time.Time) string {
	if len(events) == 0 {
		return "No events: Kubernetes keeps them for about an hour.\n"
	}
	g := &grid{columns: []column{
		{"AGE", right}, {"TYPE", left}, {"REASON", left}, {"OBJECT", left}, {"MESSAGE", left},
	}}
	for i := range events {
		e := &events[i]
		object := strings.ToLower(e.InvolvedObject.Kind) + "/" + e.InvolvedObject.Name
		message := oneLine(e.Message)
		if n := times(e); n > 1 {
			message += fmt.Sprintf(" (%d times)", n)
		}
		g.add(age(lastSeen(e), now), e.Type, e.Reason, object, message)
	}
	return g.String()
}

func times(e *corev1.Event) int32 {
	if e.Series != nil {
		return max(e.Series.Count, e.Count)
	}
	return e.Count
}
