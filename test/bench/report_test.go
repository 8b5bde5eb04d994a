//go:build bench

package bench

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// String is a run in a line.
func (r run) String() string {
	line := fmt.Sprintf("%-24s → %d: %6.3f s, %d slots, %d keys (%.0f/s), cpu %v, source %.1f µs/key, target %.1f µs/key",
		r.mover, r.masters, r.wall.Seconds(), r.slots, r.keys, float64(r.keys)/r.wall.Seconds(), r.cpu,
		perKey(r.source, r.keys), perKey(r.target, r.keys))
	if r.probed {
		line += fmt.Sprintf("; idle %s, moving %s, %d redirects, %d errors %s", r.idle, r.moving, r.moving.Redirects,
			r.moving.Errors, r.moving.FirstError)
	}
	return line
}

// String is "0.12 / 0.70 / 3.1", in milliseconds.
func (l latencies) String() string {
	return fmt.Sprintf("%s / %s / %s", millis(l.P50), millis(l.P99), millis(l.Max))
}

func millis(d time.Duration) string {
	if ms := d.Seconds() * 1000; ms < 10 {
		return fmt.Sprintf("%.2f", ms)
	}
	return fmt.Sprintf("%.0f", d.Seconds()*1000)
}

func perKey(d time.Duration, keys int64) float64 {
	return float64(d.Microseconds()) / float64(max(1, keys))
}

// spread is the middle, the lowest and the highest of some figures.
type spread struct{ mid, low, high float64 }

func spreadOf(figures []float64) spread {
	if len(figures) == 0 {
		return spread{}
	}
	slices.Sort(figures)
	n := len(figures)
	return spread{mid: (figures[(n-1)/2] + figures[n/2]) / 2, low: figures[0], high: figures[n-1]}
}

// row is the runs of a mover in one direction.
type row []run

func (b *bout) row(m string, masters int, probed bool) row {
	var of row
	for _, r := range b.runs {
		if r.mover == m && r.masters == masters && r.probed == probed {
			of = append(of, r)
		}
	}
	return of
}

func (rs row) spread(figure func(run) float64) spread {
	figures := make([]float64, len(rs))
	for i, r := range rs {
		figures[i] = figure(r)
	}
	return spreadOf(figures)
}

func (rs row) mid(figure func(run) float64) float64 { return rs.spread(figure).mid }

func (rs row) seconds() spread { return rs.spread(func(r run) float64 { return r.wall.Seconds() }) }

// latencies are the medians.
func (rs row) latencies(of func(run) latencies) latencies {
	mid := func(figure func(latencies) time.Duration) time.Duration {
		return time.Duration(rs.mid(func(r run) float64 { return float64(figure(of(r))) }))
	}
	return latencies{
		P50: mid(func(l latencies) time.Duration { return l.P50 }),
		P99: mid(func(l latencies) time.Duration { return l.P99 }),
		Max: mid(func(l latencies) time.Duration { return l.Max }),
	}
}

// pooled is a run for each round: the requests of all that were made in it.
func (rs row) pooled() row {
	var rounds row
	for _, r := range rs {
		i := slices.IndexFunc(rounds, func(of run) bool { return of.round == r.round })
		if i < 0 {
			rounds = append(rounds, r)
			continue
		}
		rounds[i].idle, rounds[i].moving = rounds[i].idle.and(r.idle), rounds[i].moving.and(r.moving)
	}
	return rounds
}

// faster is how many times as fast as redis-cli a mover was, round by round.
func (b *bout) faster(rs row) spread {
	var ratios []float64
	for _, r := range rs {
		for _, peer := range b.row(b.movers[0].name, r.masters, r.probed) {
			if peer.round == r.round {
				ratios = append(ratios, peer.wall.Seconds()/r.wall.Seconds())
			}
		}
	}
	return spreadOf(ratios)
}

// verdict is a figure that is asked for, and whether it is met.
func verdict(asked string, met bool) string {
	if met {
		return asked + ": met"
	}
	return asked + ": **not met**"
}

func (b *bout) report() string {
	var out strings.Builder
	a := b.arena
	fmt.Fprintf(&out, "%s; %s, %s and its redis-cli; %d primaries with %d replicas each, loopback, nodes.conf in %s.\n"+
		"%s, scale %g, %d rounds, load average %s at the start and %s at the end. Medians [lowest..highest]. All movers yield "+
		"the processors to servers and clients (SCHED_IDLE), since at work they do not share them.%s\n\n",
		time.Now().UTC().Format("2006-01-02"), machine(), a.versions[0], primaries, len(a.servers)/primaries-1, cmp.Or(memoryDir(), "their directories"),
		a.data, b.scale, b.rounds, b.load, load(), atScale(b.scale))
	b.alone(&out)
	b.beside(&out)
	b.bareTable(&out)
	b.faults(&out)
	return out.String()
}

// atScale says what has to be known of figures of less data.
func atScale(scale float64) string {
	if scale >= 1 {
		return ""
	}
	return " What is asked is asked at scale 1: with less data the slots count for more, and the keys for less.\n"
}

// alone is the table of the moves that nothing else went on beside.
func (b *bout) alone(out *strings.Builder) {
	out.WriteString("| no other load | s | keys/s | × redis-cli | asked | server CPU, source + target | " +
		"mover: CPU s, heap MB, allocated MB |\n|---|---|---|---|---|---|---|\n")
	for _, masters := range []int{4, 3} {
		for _, m := range b.movers {
			rs := b.row(m.name, masters, false)
			s, faster := rs.seconds(), b.faster(rs)
			var asked []string
			if m.asked.speed > 0 {
				asked = append(asked, verdict(fmt.Sprintf("≥ %g ×", m.asked.speed), faster.mid >= m.asked.speed))
			}
			if limit := m.asked.scaleIn.Seconds(); limit > 0 && masters == 3 && b.scale >= 1 {
				asked = append(asked, verdict(fmt.Sprintf("≤ %g s", limit), s.mid <= limit))
			}
			allocs := "–"
			if m.exact {
				allocs = fmt.Sprintf("%.0f", rs.mid(func(r run) float64 { return float64(r.allocs) / 1e6 }))
			}
			fmt.Fprintf(out, "| %s %s | %.2f [%.2f..%.2f] | %s | %.2f [%.2f..%.2f] | %s | %s | %.2f, %.0f, %s |\n",
				direction(masters), m.name, s.mid, s.low, s.high, b.rate(rs), faster.mid, faster.low, faster.high,
				strings.Join(asked, ", "), b.serverTime(rs),
				rs.mid(func(r run) float64 { return r.cpu.Seconds() }),
				rs.mid(func(r run) float64 { return float64(r.heap) / 1e6 }), allocs)
		}
	}
	out.WriteString("\nServer CPU is of the main threads, µs per key that moved. The heap is how much it grew at most; " +
		"of redis-cli it is the largest resident size.\n\n")
}

// beside is the table of the moves beside the probe.
func (b *bout) beside(out *strings.Builder) {
	fmt.Fprintf(out, "| beside %d op/s | s | × redis-cli | asked | idle p50 / p99 / max ms | moving p50 / p99 / max ms | "+
		"p99 moving ÷ idle | asked | errors |\n|---|---|---|---|---|---|---|---|---|\n", probeRate)
	for _, masters := range []int{4, 3} {
		for _, m := range b.movers {
			rs := b.row(m.name, masters, true)
			s, faster := rs.seconds(), b.faster(rs)
			pooled := rs.pooled()
			slower := pooled.spread(func(r run) float64 { return float64(r.moving.P99) / float64(max(1, r.idle.P99)) })
			var asked, calm string
			if m.asked.probedSpeed > 0 {
				asked = verdict(fmt.Sprintf("≥ %g ×", m.asked.probedSpeed), faster.mid >= m.asked.probedSpeed)
			}
			if m.asked.p99 > 0 {
				calm = verdict(fmt.Sprintf("≤ %g", m.asked.p99), slower.mid <= m.asked.p99)
			}
			fmt.Fprintf(out, "| %s %s | %.2f [%.2f..%.2f] | %.2f [%.2f..%.2f] | %s | %s | %s | %.2f [%.2f..%.2f] | %s | %s |\n",
				direction(masters), m.name, s.mid, s.low, s.high, faster.mid, faster.low, faster.high, asked,
				pooled.latencies(func(r run) latencies { return r.idle }),
				pooled.latencies(func(r run) latencies { return r.moving }),
				slower.mid, slower.low, slower.high, calm, rs.errors())
		}
	}
	fmt.Fprintf(out, "\nWhere a p99 is asked, moves of less than %s are made up to %d times in a round: it is of the requests of all.\n", movingTime, mostLaps)
}

// errors is the number of errors of the probe in all rounds, and one of them.
func (rs row) errors() string {
	count, text := 0, ""
	for _, r := range rs {
		count += r.moving.Errors + r.idle.Errors
		text = cmp.Or(text, r.moving.FirstError, r.idle.FirstError)
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", count, text))
}

// faults are what a mover complained of and was then asked again for.
func (b *bout) faults(out *strings.Builder) {
	for _, r := range b.runs {
		for _, fault := range r.faults {
			fmt.Fprintf(out, "\n%s %s failed, and was asked again: %s\n", direction(r.masters), r.mover, fault)
		}
	}
}

func direction(masters int) string {
	if masters == 4 {
		return "3 → 4"
	}
	return "4 → 3"
}

// rate is keys a second; of an empty cluster slots a second.
func (b *bout) rate(rs row) string {
	if b.arena.data.Count == 0 {
		return fmt.Sprintf("%.0f slots", rs.mid(func(r run) float64 { return float64(r.slots) / r.wall.Seconds() }))
	}
	return fmt.Sprintf("%.0f", rs.mid(func(r run) float64 { return float64(r.keys) / r.wall.Seconds() }))
}

func (b *bout) serverTime(rs row) string {
	of := func(keys func(run) int64) (source, target float64) {
		return rs.mid(func(r run) float64 { return perKey(r.source, keys(r)) }),
			rs.mid(func(r run) float64 { return perKey(r.target, keys(r)) })
	}
	if b.arena.data.Count == 0 {
		source, target := of(func(r run) int64 { return int64(r.slots) })
		return fmt.Sprintf("%.0f + %.0f µs/slot", source, target)
	}
	source, target := of(func(r run) int64 { return r.keys })
	return fmt.Sprintf("%.1f + %.1f", source, target)
}
