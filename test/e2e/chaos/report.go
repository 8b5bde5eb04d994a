package chaos

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Summary is what a run came to.
type Summary struct {
	Results []Result
	// Acknowledged writes, and those that are not there at the end, of writers that do not wait for a replica, and of
	// those that do.
	Acknowledged, Lost               int
	AcknowledgedWaiting, LostWaiting int
	Looks                            int
	// Wrong is what must not be and belongs to no fault.
	Wrong []error
}

// fault adds an error that belongs to no fault, if there is one.
func (s *Summary) fault(what string, err error) {
	if err != nil {
		s.Wrong = append(s.Wrong, fmt.Errorf("%s: %w", what, err))
	}
}

// Err is all that must not be, nil when there is nothing.
func (s *Summary) Err() error {
	var all []error
	for _, r := range s.Results {
		all = append(all, r.Wrong...)
	}
	return errors.Join(append(all, s.Wrong...)...)
}

// String is one line of a result.
func (r Result) String() string {
	healed := "the next fault did not wait"
	if r.Whole > 0 {
		healed = "whole " + brief(r.Whole) + " after it began"
	}
	lines := []string{fmt.Sprintf("longest gap %s (WAIT 1: %s); refused: %s; lost %d (WAIT 1: %d); %s",
		brief(r.Gap), brief(r.WaitGap), r.Refused, r.Lost, r.LostWaiting, healed)}
	for _, err := range r.Wrong {
		lines = append(lines, "  WRONG: "+err.Error())
	}
	return strings.Join(lines, "\n")
}

// String is a table of the kinds of fault, and the sums.
func (s *Summary) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-32s %3s  %10s %10s %10s  %5s %7s\n", "fault", "n", "gap", "WAIT 1", "whole", "lost", "WAIT 1")
	for _, row := range s.rows() {
		fmt.Fprintf(&b, "%-32s %3d  %10s %10s %10s  %5d %7d\n", row.Draw.Kind, row.n, brief(row.Gap), brief(row.WaitGap),
			brief(row.Whole), row.Lost, row.LostWaiting)
	}
	fmt.Fprintf(&b, "gap: the longest that a writer waited; whole: the longest until all was whole again, from its beginning\n")
	fmt.Fprintf(&b, "writes acknowledged: %d, lost %d; with WAIT 1: %d, lost %d\n",
		s.Acknowledged, s.Lost, s.AcknowledgedWaiting, s.LostWaiting)
	fmt.Fprintf(&b, "%d faults, %d looks at every node, ", len(s.Results), s.Looks)
	if err := s.Err(); err != nil {
		fmt.Fprintf(&b, "and this must not be:\n%v", err)
	} else {
		b.WriteString("no invariant violated, nothing done by hand")
	}
	return b.String()
}

// worst is the worst of each figure of the faults of a kind.
type worst struct {
	Result
	n int
}

// rows are the kinds that were drawn, by their longest gap.
func (s *Summary) rows() []worst {
	var rows []worst
	for _, r := range s.Results {
		i := slices.IndexFunc(rows, func(w worst) bool { return w.Draw.Kind == r.Draw.Kind })
		if i < 0 {
			rows = append(rows, worst{Result: r, n: 1})
			continue
		}
		w := &rows[i]
		w.n++
		w.Gap, w.WaitGap, w.Whole = max(w.Gap, r.Gap), max(w.WaitGap, r.WaitGap), max(w.Whole, r.Whole)
		w.Lost += r.Lost
		w.LostWaiting += r.LostWaiting
	}
	slices.SortStableFunc(rows, func(a, b worst) int { return cmp.Compare(b.Gap, a.Gap) })
	return rows
}

func brief(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
