package chaos

import (
	"reflect"
	"slices"
	"testing"
)

func draws(seed uint64, n int, volumes bool) []Draw {
	deck := NewDeck(seed, volumes)
	var all []Draw
	for range n {
		all = append(all, deck.Next())
	}
	return all
}

func TestDeck_DrawsTheSameForTheSameSeed(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{0, 1, 1 << 63} {
		if a, b := draws(seed, 100, true), draws(seed, 100, true); !reflect.DeepEqual(a, b) {
			t.Errorf("seed %d: %v, then %v", seed, a, b)
		}
	}
	if reflect.DeepEqual(draws(1, 20, true), draws(2, 20, true)) {
		t.Error("seeds 1 and 2 draw the same")
	}
}

func TestDeck_DrawsEveryKindBeforeOneAgain(t *testing.T) {
	t.Parallel()
	all := Kinds()
	seen := map[string]int{}
	for _, d := range draws(7, 2*len(all), true) {
		seen[d.Kind]++
	}
	for _, k := range all {
		if seen[k.Name] != 2 {
			t.Errorf("%s was drawn %d times in two rounds", k.Name, seen[k.Name])
		}
	}
}

func TestDeck_DrawsOnlyWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	deck := NewDeck(5, true, "disk-full", "drain")
	seen := map[string]int{}
	for range 20 {
		seen[deck.Next().Kind]++
	}
	if len(seen) != 2 || seen["disk-full"] != 10 || seen["drain"] != 10 {
		t.Errorf("drawn: %v", seen)
	}
}

// What takes all copies of a shard is no fault that can be survived: it must not be drawn.
func TestDeck_LeavesACopy(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		for _, volumes := range []bool{true, false} {
			before := Draw{}
			for _, d := range draws(seed, 60, volumes) {
				k, known := kind(d.Kind)
				if !known {
					t.Fatalf("no kind %q", d.Kind)
				}
				if k.Volumes && !volumes {
					t.Errorf("seed %d draws %s without volumes", seed, d.Kind)
				}
				if before.AtOnce && (k.Alone || !volumes) {
					t.Errorf("seed %d draws %s while the cluster has not healed from %s", seed, d.Kind, before.Kind)
				}
				before = d
			}
		}
	}
}

func TestDeck_StaysInTheLab(t *testing.T) {
	t.Parallel()
	for _, d := range draws(3, 500, true) {
		k, _ := kind(d.Kind)
		if d.Shard < 0 || d.Shard >= Shards || d.Beyond < 1 || d.Beyond >= Nodes {
			t.Errorf("%v names what is not there", d)
		}
		if len(k.Holds) > 0 && !slices.Contains(k.Holds, d.Hold) || len(k.Holds) == 0 && d.Hold != 0 {
			t.Errorf("%v holds for %s, not one of %v", d, d.Hold, k.Holds)
		}
	}
}
