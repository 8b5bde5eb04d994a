package plan

import (
	"strconv"
	"strings"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// mostNamed is how many things a sentence names before it counts the rest.
const mostNamed = 4

// list is "a", "a and b", "a, b and c", or "a, b, c, d and 5 more".
func list(words []string) string {
	if len(words) > mostNamed+1 {
		words = append(words[:mostNamed:mostNamed], strconv.Itoa(len(words)-mostNamed)+" more")
	}
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// count is "1 pod" or "3 pods".
func count(n int, one, many string) string { return strconv.Itoa(n) + " " + verb(n, one, many) }

// verb is the word for so many: "is" or "are".
func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// absence says why a member cannot take part; "" when it can.
func absence(m cluster.Member) string {
	var why string
	switch {
	case m.Pod.State == cluster.PodTerminating:
		why = "is stopping"
	case m.Pod.State == cluster.PodEnded:
		why = "has ended"
	case m.Live():
		return ""
	case m.Info != nil:
		why = "loads its data"
	case m.Pod.State == cluster.PodPending:
		why = "has not started"
	default:
		why = "does not answer"
	}
	detail := m.Pod.Trouble
	if detail == "" && m.Pod.State == cluster.PodRunning {
		detail = m.Unseen
	}
	if detail != "" {
		return m.Pod.Name + " " + why + ": " + detail
	}
	return m.Pod.Name + " " + why
}

// size is "1.5 GiB".
func size(bytes int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	n, unit := float64(bytes), 0
	for n >= 1024 && unit < len(units)-1 {
		n, unit = n/1024, unit+1
	}
	if unit == 0 {
		return strconv.FormatInt(bytes, 10) + " B"
	}
	return strconv.FormatFloat(n, 'f', 1, 64) + " " + units[unit]
}
