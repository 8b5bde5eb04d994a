package redis

import (
	"math/rand/v2"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// keysIn is counts of a node of which we ask for all slots.
func keysIn(keys map[cluster.Slot]int64, server string) slotCounts {
	return slotCounts{keys: keys, server: parseInfo(server)}
}

// TestEstimate_Chunks goes through all slots once, and through none of them first.
func TestEstimate_Chunks(t *testing.T) {
	t.Parallel()
	for _, slots := range []int{0, 1, 2, 100, 10007, cluster.SlotCount} {
		keys := map[cluster.Slot]int64{}
		for i := range slots {
			keys[cluster.Slot(i)] = int64(1 + i%40)
		}
		e := newEstimate(keysIn(keys, ""))
		none := func(*slotEstimate) int64 { return 0 }
		seen := map[cluster.Slot]int{}
		asked := int64(0)
		for _, chunk := range e.chunks(span{none, e.share}) {
			size := int64(0)
			for _, slot := range chunk {
				seen[slot]++
				size += e.share(e.slots[slot])
			}
			if asked += size; len(chunk) > 1 && size > 4*samplesAtOnce {
				t.Errorf("%d keys at once", size)
			}
		}
		if len(seen) != slots || asked > mostSamples+fewestSamples*cluster.SlotCount {
			t.Errorf("%d slots: %d of them, %d keys", slots, len(seen), asked)
		}
		for slot, n := range seen {
			if n != 1 {
				t.Errorf("%d slots: %d comes %d times", slots, slot, n)
			}
		}
		if len(e.chunks(span{e.share, e.share})) != 0 {
			t.Errorf("%d slots: asked for nothing", slots)
		}
	}
}

// TestEstimate_Partly stops measuring anywhere: the sum is what the server has, and slots that were seen to be heavy
// are so.
func TestEstimate_Partly(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	const (
		slots, each = 2000, 50
		small, huge = 100, 2000
		data        = 1000*each*small + 1000*each*huge
	)
	for range 40 {
		keys := map[cluster.Slot]int64{}
		for i := range slots {
			keys[cluster.Slot(i)] = each
		}
		e := newEstimate(keysIn(keys, "redis_version:7.0.15\nused_memory:105000000\ndb0:keys=100000,expires=0"))
		measured := r.IntN(slots * each)
		for slot, s := range e.slots {
			size := int64(small)
			if slot%2 == 1 {
				size = huge
			}
			for range min(each, r.IntN(1+2*measured/slots)) {
				s.sizes = append(s.sizes, size)
				s.samples++
				s.measured += size
			}
		}
		var sum int64
		for slot, load := range e.loads() {
			sum += load.Bytes
			s := e.slots[slot]
			if load.Keys != each || s.samples > 25 && (load.Bytes > each*huge*3/2 || slot%2 == 1 && load.Bytes < each*huge/2) {
				t.Errorf("slot %d, %d samples: %+v", slot, s.samples, load)
			}
		}
		if sum < data*95/100 || sum > data*105/100 {
			t.Errorf("after %d: %d, not %d", measured, sum, data)
		}
	}
}

// TestEstimate_Empty has nothing to divide by.
func TestEstimate_Empty(t *testing.T) {
	t.Parallel()
	if got := newEstimate(slotCounts{}).loads(); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	e := newEstimate(keysIn(map[cluster.Slot]int64{1: 5}, ""))
	if got := e.loads(); got[1].Keys != 5 || got[1].Bytes < 0 {
		t.Errorf("got %v", got)
	}
}
