package witness

import (
	"testing"
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

// A write that was sent and not acknowledged may be there or not; one that was acknowledged must be.
func TestHistory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		h     history
		value any
		lost  bool
	}{
		{history{acked: 0, sent: 3}, nil, false},
		{history{acked: 0, sent: 3}, "3", false},
		{history{acked: 2, sent: 3}, "2", false},
		{history{acked: 2, sent: 3}, "3", false},
		{history{acked: 2, sent: 3}, "1", true},
		{history{acked: 2, sent: 3}, nil, true},
		{history{acked: 2, sent: 2}, "7", true},
		{history{acked: 2, sent: 2}, "x", true},
	} {
		if err := c.h.check("key", c.value); (err != nil) != c.lost {
			t.Errorf("%+v holding %v: %v", c.h, c.value, err)
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
