package cluster_test

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// set reads "0-5460,5462".
func set(t testing.TB, text string) cluster.SlotSet {
	t.Helper()
	s, err := cluster.ParseSlots(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSlotSet(t *testing.T) {
	t.Parallel()
	a, b := set(t, "0-9,20,63-64,16383"), set(t, "5-12,64")
	for sentence, c := range map[string]struct{ got, want string }{
		"a set is written as its ranges":                   {a.String(), "0-9,20,63-64,16383"},
		"the union has the slots of both":                  {a.Union(b).String(), "0-12,20,63-64,16383"},
		"the difference has the slots of the first alone":  {a.Minus(b).String(), "0-4,20,63,16383"},
		"the intersection has the slots that both have":    {a.Intersect(b).String(), "5-9,64"},
		"taking gives the lowest slots":                    {a.Take(12).String(), "0-9,20,63"},
		"taking more than there is gives all":              {a.Take(20000).String(), a.String()},
		"taking nothing gives nothing":                     {a.Take(0).String(), ""},
		"taking less than nothing gives nothing":           {a.Take(-3).String(), ""},
		"taking the last gives the highest slots":          {a.TakeLast(3).String(), "63-64,16383"},
		"taking more of the last than there is gives all":  {a.TakeLast(20000).String(), a.String()},
		"taking none of the last gives nothing":            {a.TakeLast(0).String(), ""},
		"taking less than none of the last gives nothing":  {a.TakeLast(-3).String(), ""},
		"an added slot is in the set":                      {a.Add(10, 0).String(), "0-10,20,63-64,16383"},
		"a slot beyond the last is not added":              {a.Add(16384).String(), a.String()},
		"a removed slot is not in the set":                 {a.Remove(0, 20, 21, 16384).String(), "1-9,63-64,16383"},
		"adjoining ranges become one":                      {set(t, "5-6,0-4,7").String(), "0-7"},
		"all slots":                                        {cluster.AllSlots().String(), "0-16383"},
		"the empty set is written as nothing":              {cluster.SlotSet{}.String(), ""},
		"the minus sign is the empty set, as in Redis":     {set(t, "-").String(), ""},
		"a range beyond the last slot is cut":              {cluster.NewSlotSet(cluster.SlotRange{First: 16380, Last: 65535}).String(), "16380-16383"},
		"a range that ends before it begins has no slots":  {cluster.NewSlotSet(cluster.SlotRange{First: 5, Last: 4}).String(), ""},
		"the receiver of every method above is as it was":  {a.String(), "0-9,20,63-64,16383"},
		"a single slot is written without a minus sign":    {cluster.SlotRange{First: 7, Last: 7}.String(), "7"},
		"a range is written with the first and last slots": {cluster.SlotRange{Last: 5460}.String(), "0-5460"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			if c.got != c.want {
				t.Errorf("got %q, want %q", c.got, c.want)
			}
		})
	}
}

func TestSlotSet_Len(t *testing.T) {
	t.Parallel()
	if n := set(t, "0-9,20,16383").Len(); n != 12 {
		t.Errorf("got %d, want 12", n)
	}
	if n := cluster.AllSlots().Len(); n != cluster.SlotCount {
		t.Errorf("all slots are %d", n)
	}
	if !(cluster.SlotSet{}).IsEmpty() || set(t, "3").IsEmpty() {
		t.Error("IsEmpty is wrong")
	}
	if n := (cluster.SlotRange{First: 3, Last: 7}).Len(); n != 5 {
		t.Errorf("3-7 has %d slots", n)
	}
	if cluster.AllSlots().Has(cluster.SlotCount) {
		t.Error("there is no slot 16384")
	}
}

func TestParseSlots_RefusesWhatIsNoSlot(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"x", "1,", ",1", "16384", "5-4", "-5", "5-", "1-2-3", " 1", "+1", "0x10", "99999999999"} {
		if s, err := cluster.ParseSlots(text); !errors.Is(err, cluster.ErrSlots) {
			t.Errorf("%q is read as %q, %v", text, s, err)
		}
	}
}

// slotSets draws sets that have both long ranges and lone slots.
func slotSets() *rapid.Generator[cluster.SlotSet] {
	return rapid.Custom(func(t *rapid.T) cluster.SlotSet {
		var s cluster.SlotSet
		for range rapid.IntRange(0, 6).Draw(t, "ranges") {
			first := rapid.IntRange(0, cluster.SlotCount-1).Draw(t, "first")
			length := rapid.SampledFrom([]int{0, 0, 1, 5, 63, 64, 65, 4096}).Draw(t, "length")
			s = s.Union(cluster.NewSlotSet(cluster.SlotRange{
				First: cluster.Slot(first), Last: cluster.Slot(min(first+length, cluster.SlotCount-1)),
			}))
		}
		return s
	})
}

func TestSlotSet_Algebra(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := slotSets().Draw(t, "a"), slotSets().Draw(t, "b")
		n := rapid.IntRange(0, 5000).Draw(t, "n")
		slot := cluster.Slot(rapid.IntRange(0, cluster.SlotCount-1).Draw(t, "slot"))
		slots := slices.Collect(a.All())
		for law, holds := range map[string]bool{
			"union = difference + intersection + difference": a.Union(b) == a.Minus(b).Union(a.Intersect(b)).Union(b.Minus(a)),
			"the parts of a union are disjoint":              a.Minus(b).Intersect(b).IsEmpty(),
			"sizes add up":                                   a.Len()+b.Len() == a.Union(b).Len()+a.Intersect(b).Len(),
			"has agrees with union":                          a.Union(b).Has(slot) == (a.Has(slot) || b.Has(slot)),
			"added is had":                                   a.Add(slot).Has(slot) && !a.Remove(slot).Has(slot),
			"take has the asked size":                        a.Take(n).Len() == min(n, a.Len()),
			"take takes the lowest":                          slices.Equal(slices.Collect(a.Take(n).All()), slots[:min(n, len(slots))]),
			"what is not taken is left":                      a.Take(n).Union(a.Minus(a.Take(n))) == a,
			"the lowest and the others, highest":             a.Take(a.Len()-n) == a.Minus(a.TakeLast(n)),
			"ranges make the set again":                      cluster.NewSlotSet(a.Ranges()...) == a,
			"all goes upwards":                               slices.IsSorted(slots) && len(slots) == a.Len(),
		} {
			if !holds {
				t.Errorf("%s: does not hold for a=%s b=%s n=%d slot=%d", law, a, b, n, slot)
			}
		}
		if again, err := cluster.ParseSlots(a.String()); err != nil || again != a {
			t.Errorf("%s is read as %s, %v", a, again, err)
		}
	})
}
