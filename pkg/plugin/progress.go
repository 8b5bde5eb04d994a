package plugin

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

const (
	// pairsShown are printed of the masters between which slots move, unless the output is wide.
	pairsShown = 8
	// meterMost and meterLeast bound the length of the bar of a migration.
	meterMost, meterLeast = 50, 10
)

// look is how a text is to look.
type look struct {
	width int // columns; 0: without a limit
	paint paint
	wide  bool
}

// progress is a migration in numbers that can be trusted: none is negative.
type progress struct {
	redisv1.MigrationStatus
	moved, left, total int64
}

// progressOf is what a status says of a migration; all is 0 when none is under way.
func progressOf(m *redisv1.MigrationStatus) progress {
	if m == nil {
		return progress{}
	}
	p := progress{MigrationStatus: *m, moved: max(0, int64(m.SlotsMoved)), left: max(0, int64(m.SlotsLeft))}
	p.total = p.moved + p.left
	return p
}

// percent is rounded down: 100.0% is only said when it is true.
func (p progress) percent() string {
	if p.total == 0 {
		return "0.0%"
	}
	tenths := p.moved * 1000 / p.total
	return fmt.Sprintf("%d.%d%%", tenths/10, tenths%10)
}

// remaining says what is left to do, and how long it will take; "" when nothing is left.
func (p progress) remaining(now time.Time) string {
	text := plural(p.left, "slot")
	switch eta := p.EstimatedCompletionTime; {
	case p.left == 0:
		return ""
	case eta == nil:
		return text + ", how long is not known"
	case !eta.After(now):
		return text + ", done any moment"
	default:
		return text + ", about " + duration.HumanDuration(eta.Sub(now))
	}
}

// rate is what moved in a second of the last step; "" when nothing did.
func (p progress) rate() string {
	var rates []string
	if p.KeysPerSecond > 0 {
		rates = append(rates, formatCount(p.KeysPerSecond)+" keys/s")
	}
	if p.BytesPerSecond > 0 {
		rates = append(rates, formatBytes(p.BytesPerSecond)+"/s")
	}
	return strings.Join(rates, ", ")
}

// sentence is a migration on one line.
func (p progress) sentence(now time.Time) string {
	text := fmt.Sprintf("%s, %s of %s slots with %s", p.percent(), formatCount(p.moved), formatCount(p.total), p.load())
	if rate := p.rate(); rate != "" {
		text += ", " + rate
	}
	if rest := p.remaining(now); rest != "" {
		text += "; left: " + rest
	}
	return text
}

// load is what was moved.
func (p progress) load() string {
	return plural(p.KeysMoved, "key") + ", " + formatBytes(max(0, p.BytesMoved))
}

// lines draw a migration: a bar, figures, and the masters between which slots are still to move.
func (p progress) lines(l look, now time.Time) []string {
	lines := []string{p.meter(l)}
	add := func(title, text string) {
		if text != "" {
			lines = append(lines, wrap(fmt.Sprintf("%-*s%s", figures, title, text), l.width, figures)...)
		}
	}
	moved := p.load()
	if elapsed := now.Sub(p.StartTime.Time); !p.StartTime.IsZero() && elapsed >= 0 {
		moved += " in " + duration.HumanDuration(elapsed)
	}
	add("Moved", moved)
	add("Rate", p.rate())
	add("Left", p.remaining(now))
	if len(p.Pairs) > 0 {
		lines = append(append(lines, ""), p.pairs(l)...)
	}
	return lines
}

// figures is where the figures of a migration begin.
const figures = 7

// meter is the bar, as long as there is room for it.
func (p progress) meter(l look) string {
	after := fmt.Sprintf(" %6s  %s of %s slots", p.percent(), formatCount(p.moved), formatCount(p.total))
	length := meterMost
	if l.width > 0 {
		length = min(max(l.width-figures-2-cells(after), meterLeast), meterMost)
	}
	full := 0
	if p.total > 0 {
		full = int(p.moved * int64(length) / p.total)
	}
	return fmt.Sprintf("%-*s[%s%s]%s", figures, "Slots", l.paint.with(green, strings.Repeat("#", full)),
		l.paint.with(faint, strings.Repeat(".", length-full)), after)
}

// pairs are those with the most slots left, by name, so that they keep their places while they are drawn again.
func (p progress) pairs(l look) []string {
	g := &grid{columns: []column{{"FROM", left}, {"  TO", left}, {"SLOTS LEFT", right}}}
	pairs := slices.Clone(p.Pairs)
	slices.SortStableFunc(pairs, func(a, b redisv1.MigrationPair) int { return cmp.Compare(b.SlotsLeft, a.SlotsLeft) })
	hidden := 0
	if !l.wide && len(pairs) > pairsShown {
		hidden = len(pairs) - pairsShown
		pairs = pairs[:pairsShown]
	}
	slices.SortStableFunc(pairs, func(a, b redisv1.MigrationPair) int {
		return cmp.Or(comparePods(a.From, b.From), comparePods(a.To, b.To))
	})
	for _, pair := range pairs {
		g.add(oneLine(pair.From), "→ "+oneLine(pair.To), formatCount(int64(pair.SlotsLeft)))
	}
	lines := strings.Split(strings.TrimSuffix(g.String(), "\n"), "\n")
	if hidden > 0 {
		lines = append(lines, fmt.Sprintf("and %d more pairs with fewer", hidden))
	}
	return lines
}

// blockedNotes are the slots that stay where they are.
func blockedNotes(rc *redisv1.RedisCluster) []string {
	if rc.Status.Migration == nil {
		return nil
	}
	var notes []string
	for _, b := range rc.Status.Migration.Blocked {
		notes = append(notes, blockedText(b, rc))
	}
	return notes
}

// blockedText names a slot that stays where it is, and why.
func blockedText(b redisv1.BlockedSlot, rc *redisv1.RedisCluster) string {
	limit := "spec.migration.maxKeyBytes"
	if most := rc.Spec.Migration.MaxKeyBytes; most != nil {
		limit += " (" + most.String() + ")"
	}
	return fmt.Sprintf("Slot %d stays on %s: its key %s takes %s, more than %s",
		b.Slot, oneLine(b.PodName), keyName(b.Key), formatBytes(b.Bytes), limit)
}

// keyShown is how much of a key's name is printed.
const keyShown = 64

// keyName is a key as Redis prints it: in quotes, with what is not ASCII escaped, be it that it comes like that.
func keyName(key string) string {
	if strings.HasPrefix(key, `"`) {
		if unquoted, err := strconv.Unquote(key); err == nil {
			key = unquoted
		}
	}
	var b strings.Builder
	for i := range len(key) {
		switch c := key[i]; {
		case i == keyShown:
			return `"` + b.String() + `…"`
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return `"` + b.String() + `"`
}

// formatCount is a number with its thousands apart: 1,234,567.
func formatCount(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}
