package controller

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// movement is what one sync knows of slots that move.
type movement struct {
	tally // what was moved and has not been reported yet
	// step says that the step of this look was to move slots; going, that something came of it.
	step, going bool
	// left is what is still to move, by pairs of pods; known is false while that cannot be said.
	left  []redisv1.MigrationPair
	known bool
	// blocked are slots that stay where they are, and trouble is what nodes have said.
	blocked []redisv1.BlockedSlot
	trouble error
}

// movement says how far the slots have come after the step of this look.
func (t target) movement(d plan.Decision) movement {
	l := t.ledger
	m := movement{tally: l.unreported, step: movesSlots(d.Step), going: l.progress}
	if t.rc.Status.Migration == nil && !m.step && m.began.IsZero() {
		return m
	}
	left, known := plan.Left(wanted(t.rc), t.view)
	if known {
		l.settle(left)
	}
	m.known, m.blocked, m.trouble = known, l.blockedSlots(), l.trouble()
	for _, transfer := range left {
		slots := transfer.Slots.Minus(l.landed).Len()
		from, _ := t.view.Member(transfer.From)
		to, _ := t.view.Member(transfer.To)
		if slots > 0 {
			m.left = append(m.left, redisv1.MigrationPair{From: from.Pod.Name, To: to.Pod.Name, SlotsLeft: count(slots)})
		}
	}
	slices.SortStableFunc(m.left, func(a, b redisv1.MigrationPair) int { return cmp.Compare(b.SlotsLeft, a.SlotsLeft) })
	return m
}

// stuck says that nothing moves any more, and that nobody but a person can change that.
func (m movement) stuck() bool { return m.step && !m.going && len(m.blocked) > 0 && m.trouble == nil }

// migrationOf is how far slots on their way have come; nil when none are. It is pure.
func migrationOf(before *redisv1.MigrationStatus, m movement, now time.Time) *redisv1.MigrationStatus {
	if before == nil && m.began.IsZero() || m.known && len(m.left) == 0 && !m.step {
		return nil
	}
	s := m.sum(before)
	if m.known {
		s.SlotsLeft = 0
		for _, p := range m.left {
			s.SlotsLeft += p.SlotsLeft
		}
		s.Pairs = m.left[:min(len(m.left), redisv1.MaxMigrationPairs)]
	} else {
		s.SlotsLeft = max(0, s.SlotsLeft-count(m.slots))
	}
	s.Blocked = m.blocked[:min(len(m.blocked), redisv1.MaxBlockedSlots)]
	s.KeysPerSecond, s.BytesPerSecond, s.EstimatedCompletionTime = 0, 0, nil
	if took := m.took.Seconds(); took > 0 {
		s.KeysPerSecond, s.BytesPerSecond = int64(float64(m.keys)/took), int64(float64(m.bytes)/took)
	}
	if m.going && s.SlotsMoved > 0 {
		each := now.Sub(s.StartTime.Time) / time.Duration(s.SlotsMoved)
		s.EstimatedCompletionTime = new(metav1.NewTime(now.Add(time.Duration(s.SlotsLeft) * each).Truncate(time.Second)))
	}
	return s
}

// sum is what was moved until now.
func (m movement) sum(before *redisv1.MigrationStatus) *redisv1.MigrationStatus {
	s := before.DeepCopy()
	if s == nil {
		s = &redisv1.MigrationStatus{StartTime: metav1.NewTime(m.began.Truncate(time.Second))}
	}
	s.SlotsMoved += count(m.slots)
	s.KeysMoved += m.keys
	s.BytesMoved += m.bytes
	return s
}

// tellMigration tells where slots begin to move, and where the last of them has moved.
func (c *Controller) tellMigration(rc *redisv1.RedisCluster, next *redisv1.MigrationStatus, now time.Time) {
	l := c.ledgers.of(rc)
	switch before := rc.Status.Migration; {
	case before == nil && next != nil:
		l.started = l.unreported.began
		total := next.SlotsMoved + next.SlotsLeft
		c.Events.Step(rc, redisv1.EventMigrationStarted, fmt.Sprintf("%d slots are to move", total))
	case before != nil && next == nil:
		sum := movement{tally: l.unreported}.sum(before)
		if l.started.IsZero() {
			l.started = before.StartTime.Time
		}
		took := max(0, now.Sub(l.started))
		l.started = time.Time{}
		c.Metrics.migrated(took)
		c.Events.Step(rc, redisv1.EventMigrationCompleted, fmt.Sprintf("moved %d slots with %d keys of %s in %s",
			sum.SlotsMoved, sum.KeysMoved, size(sum.BytesMoved), took.Round(time.Millisecond)))
	}
}

// blockedMessage names the first slot that is blocked, and what to do.
func blockedMessage(rc *redisv1.RedisCluster, blocked []redisv1.BlockedSlot) string {
	b := blocked[0]
	text := fmt.Sprintf("slot %d stays at %s: its key %s takes %s, more than spec.migration.maxKeyBytes (%s) allows "+
		"to be moved: raise that, or delete the key", b.Slot, b.PodName, b.Key, size(b.Bytes), rc.Spec.Migration.MaxKeyBytes)
	if more := len(blocked) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more slots like it)", more)
	}
	return text
}

// size is bytes for a person.
func size(bytes int64) string {
	const step = 1024
	if bytes < step {
		return fmt.Sprintf("%d bytes", bytes)
	}
	value, units := float64(bytes), []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	unit := -1
	for value >= step && unit < len(units)-1 {
		value /= step
		unit++
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}
