package witness

import (
	"testing"
	"time"
)

func TestTagIn(t *testing.T) {
	t.Parallel()
	for i := range 30 {
		if part := int(Slot("{"+TagIn(i, i%3, 3)+"}")) * 3 / slotCount; part != i%3 {
			t.Errorf("writer %d is in part %d", i, part)
		}
	}
}

func TestSlot(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]uint16{"123456789": 12739, "foo{bar}zap": Slot("bar"), "{}x": Slot("{}x")} {
		if got := Slot(key); got != want {
			t.Errorf("slot of %q is %d, not %d", key, got, want)
		}
	}
}

// A write that was sent and not acknowledged may be there or not; one that was acknowledged must be, and a key whose
// deletion was must not.
func TestHistory(t *testing.T) {
	t.Parallel()
	now, before := time.Now(), time.Now().Add(-time.Hour)
	for _, c := range []struct {
		h     history
		value any
		lost  bool
	}{
		{history{}, nil, false},
		{history{doubts: []int64{3}}, nil, false},
		{history{doubts: []int64{3}}, "3", false},
		{history{acked: 2, doubts: []int64{3}}, "2", false},
		{history{acked: 2, doubts: []int64{3}}, "3", false},
		{history{acked: 2, doubts: []int64{3}}, "1", true},
		{history{acked: 2, doubts: []int64{3}}, nil, true},
		{history{acked: 2}, "7", true},
		{history{acked: 2}, "x", true},
		{history{acked: 2, doubts: []int64{7}}, nil, false},
		{history{acked: 2, doubts: []int64{7}}, "2", false},
		{history{acked: 7}, nil, false},
		{history{acked: 7}, "3", true}, // it came back
		{history{acked: 7, doubts: []int64{9}}, "9", false},
		{history{acked: 7, doubts: []int64{9}}, nil, false},
		{history{acked: 7, doubts: []int64{9}}, "3", true},
		{history{acked: 4, at: before}, nil, true},
		{history{acked: 36, at: now}, "36", false},
		{history{acked: 36, at: now}, nil, false},
		{history{acked: 36, at: before}, "36", true},
	} {
		if err := c.h.check("key", c.value); (err != nil) != c.lost {
			t.Errorf("%+v holding %v: %v", c.h, c.value, err)
		}
	}
	h := history{acked: 4, at: before}
	for left, wrong := range map[int64]bool{(longLife - time.Hour).Milliseconds(): false, longLife.Milliseconds(): true, -1: true} {
		if err := h.checkLife("key", left); !h.lasts() || (err != nil) != wrong {
			t.Errorf("%d ms are left after an hour: %v", left, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	now := Refusals{"CLUSTERDOWN": 9, broken: 2, "LOADING": 1}
	if got, want := now.Minus(Refusals{"CLUSTERDOWN": 2, "LOADING": 1}).String(), "7 CLUSTERDOWN, 2 no connection"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := (Refusals{}).String(); got != "none" {
		t.Errorf("%q", got)
	}
}
