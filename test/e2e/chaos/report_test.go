package chaos

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/test/e2e/witness"
)

func TestSummary(t *testing.T) {
	t.Parallel()
	s := Summary{
		Results: []Result{
			{Draw: Draw{Kind: "kill-redis"}, Gap: 80 * time.Millisecond, Whole: 4 * time.Second, Lost: 2},
			{Draw: Draw{Kind: "power-off"}, Gap: 16 * time.Second, Whole: 40 * time.Second, Refused: witness.Refusals{"CLUSTERDOWN": 3}},
			{Draw: Draw{Kind: "kill-redis"}, Gap: 120 * time.Millisecond, Whole: 3 * time.Second, Lost: 1},
		},
		Acknowledged: 1000, Lost: 3, AcknowledgedWaiting: 500, Looks: 400,
	}
	text := s.String()
	for _, want := range []string{
		"power-off                          1         16s", "kill-redis                         2       120ms         0s         4s      3",
		"writes acknowledged: 1000, lost 3; with WAIT 1: 500, lost 0", "no invariant violated",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the summary lacks %q:\n%s", want, text)
		}
	}
	if s.Err() != nil {
		t.Errorf("nothing is wrong, and yet: %v", s.Err())
	}
	s.Results[1].Wrong = []error{errors.New("I3: lost")}
	s.Wrong = []error{errors.New("I7: busy")}
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "I3") || !strings.Contains(err.Error(), "I7") {
		t.Errorf("what is wrong is not said: %v", err)
	}
}
