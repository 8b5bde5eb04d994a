//go:build bench

package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redisoperator/redis-operator/test/e2e/chaos"
)

// faultRow is one figure: what was measured each time, and what is asked; 0: nothing is.
type faultRow struct {
	what          string
	times         []time.Duration
	median, worst time.Duration
}

func (r faultRow) mid() time.Duration {
	sorted := slices.Sorted(slices.Values(r.times))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// String is a row of the table: what, n, median, worst, asked.
func (r faultRow) String() string {
	if len(r.times) == 0 {
		return fmt.Sprintf("| %s | 0 | – | – | |", r.what)
	}
	var asked []string
	if r.median > 0 {
		asked = append(asked, verdict("median ≤ "+short(r.median), r.mid() <= r.median))
	}
	if r.worst > 0 {
		asked = append(asked, verdict("worst ≤ "+short(r.worst), slices.Max(r.times) <= r.worst))
	}
	return fmt.Sprintf("| %s | %d | %s | %s | %s |", r.what, len(r.times), short(r.mid()), short(slices.Max(r.times)),
		strings.Join(asked, ", "))
}

// all is every figure, in the order of measuring.
func (r faultRow) all() string {
	var words []string
	for _, d := range r.times {
		words = append(words, short(d))
	}
	return strings.Join(words, " · ")
}

func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// report is the section of RESULTS.md.
func (b *breakage) report() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s; %s, %s; redis:8.0, %d shards of two, node-timeout 15 s, 500 + 50 (WAIT 1) writes a "+
		"second to each; load average %s at the start and %s at the end.\n\n| what | n | median | worst | asked |\n|---|---|---|---|---|\n",
		time.Now().UTC().Format("2006-01-02"), machine(), b.lab, chaos.Shards, b.load, load())
	for _, r := range b.rows {
		fmt.Fprintln(&out, r)
	}
	out.WriteString("\n")
	if faster := b.faster(); faster != "" {
		fmt.Fprintf(&out, "- %s\n", faster)
	}
	for _, n := range b.notes {
		fmt.Fprintf(&out, "- %s\n", n)
	}
	out.WriteString("\nAll:\n\n")
	for _, r := range b.rows {
		fmt.Fprintf(&out, "- %s: %s\n", r.what, r.all())
	}
	return out.String()
}

// faster holds the kill of a primary against Redis alone in the same run.
func (b *breakage) faster() string {
	of := func(part string) (faultRow, bool) {
		i := slices.IndexFunc(b.rows, func(r faultRow) bool { return strings.Contains(r.what, part) && len(r.times) > 0 })
		if i < 0 {
			return faultRow{}, false
		}
		return b.rows[i], true
	}
	alone, ok := of("Redis alone")
	ours, ok2 := of("redis killed")
	if !ok || !ok2 {
		return ""
	}
	ratio := alone.mid().Seconds() / ours.mid().Seconds()
	return verdict(fmt.Sprintf("a killed primary is replaced %.0f × as fast as by Redis alone (asked: 100 ×)", ratio), ratio >= 100)
}
