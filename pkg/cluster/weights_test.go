package cluster_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// The ways in which data can lie in slots. In the first ones, shares are made of many slots that are much the same.
var (
	ordinary = []string{"equal", "empty", "noisy", "half empty", "exponential"}
	peculiar = []string{"lognormal", "coarse", "giants", "pareto"}
)

// weighing is weights of one of these kinds.
func weighing(rng *rand.Rand, kind string) *cluster.Weights {
	w := &cluster.Weights{}
	for slot := range w {
		x := 0.0
		switch kind {
		case "equal":
			x = 1e6
		case "noisy":
			x = 1e6 * (0.5 + rng.Float64())
		case "half empty":
			x = 1e6 * (0.5 + rng.Float64()) * float64(rng.IntN(2))
		case "exponential":
			x = 1e6 * rng.ExpFloat64()
		case "lognormal":
			x = 1e5 * math.Exp(2*rng.NormFloat64())
		case "coarse":
			if rng.IntN(60) == 0 {
				x = 1e7
			}
		case "giants":
			x = 1e5 * rng.Float64()
			if rng.IntN(4000) == 0 {
				x = 2e9 * rng.Float64()
			}
		case "pareto":
			x = 1e4 / rng.Float64()
		}
		w[slot] = int64(x)
	}
	return w
}

// effective is the weights as they are counted: each slot that is owned has a sixteenth of the mean for itself, as
// long as no slot is heavier than a share.
func effective(holdings []cluster.Holding, weights *cluster.Weights) *cluster.Weights {
	total, owned := int64(0), int64(0)
	for i := range holdings {
		total += load(holdings[i].Slots, weights)
		owned += int64(holdings[i].Slots.Len())
	}
	w := *weights
	for slot := range w {
		w[slot] += 1 + total/max(1, owned)/16
	}
	return &w
}

func load(slots cluster.SlotSet, weights *cluster.Weights) int64 {
	sum := int64(0)
	for slot := range slots.All() {
		sum += weights[slot]
	}
	return sum
}

func loads(holdings []cluster.Holding, weights *cluster.Weights) map[cluster.NodeID]int64 {
	of := map[cluster.NodeID]int64{}
	for i := range holdings {
		of[holdings[i].Node] = load(holdings[i].Slots, weights)
	}
	return of
}

// heaviestOwned is the weight of the heaviest slot that anybody owns.
func heaviestOwned(holdings []cluster.Holding, weights *cluster.Weights) int64 {
	heaviest := int64(0)
	for i := range holdings {
		for slot := range holdings[i].Slots.All() {
			heaviest = max(heaviest, weights[slot])
		}
	}
	return heaviest
}

// weightOf is what all weigh together, and the share of each that stays.
func weightOf(holdings []cluster.Holding, weights *cluster.Weights) (total, share int64) {
	stay := int64(0)
	for i := range holdings {
		total += load(holdings[i].Slots, weights)
		if !holdings[i].Leaves {
			stay++
		}
	}
	return total, total / stay
}

// Whatever data lies where, and whatever part of a plan is carried out before the next one is made.
func TestBalance_WeightsAnyPartAndThenAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rng := dice(t)
		for range 5 {
			checkParts(t, rng)
		}
	})
}

// What is rare: a slot that nothing else has room for comes to a shard that gives.
func TestBalance_WeightsThatMovedTwiceOnce(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{0x353989cf0, 0x3628446c67, 0x58046a1e6b1, 0x149df1b, 0x66f59} {
		rng := seeded(seed)
		for range 5 {
			checkParts(t, rng)
		}
	}
}

func checkParts(t fatal, rng *rand.Rand) {
	t.Helper()
	weights := weighing(rng, pick(rng, slices.Concat(ordinary, peculiar)))
	holdings := dealt(rng)
	counted := effective(holdings, weights)
	_, share := weightOf(holdings, counted)
	before, given := loads(holdings, counted), map[cluster.NodeID]int64{}
	heaviest := heaviestOwned(holdings, counted)
	var moved cluster.SlotSet
	for rounds := 0; ; rounds++ {
		transfers := cluster.Balance(holdings, weights)
		checkTransfers(t, holdings, transfers)
		if rounds == 0 {
			if again := cluster.Balance(shuffled(rng, holdings), weights); !slices.Equal(again, transfers) {
				t.Fatalf("in another order it is %v, not %v", again, transfers)
			}
		}
		if len(transfers) == 0 {
			break
		}
		done := part(rng, transfers)
		if rounds > 3 || len(done) == 0 {
			done = transfers
		}
		if rounds > 10 {
			t.Fatalf("it does not end: %v", transfers)
		}
		for _, tr := range done {
			if twice := moved.Intersect(tr.Slots); !twice.IsEmpty() {
				t.Fatalf("%s move a second time, from %s to %s", twice, tr.From, tr.To)
			}
			moved = moved.Union(tr.Slots)
			given[tr.From] += load(tr.Slots, counted)
		}
		holdings = after(holdings, done)
	}
	for i := range holdings {
		h := &holdings[i]
		if !h.Leaves && heaviest < share && given[h.Node] > max(0, before[h.Node]-share)+heaviest {
			t.Fatalf("%s had %d, its share is %d, and it gave %d", h.Node, before[h.Node], share, given[h.Node])
		}
	}
}

func pick(rng *rand.Rand, kinds []string) string { return kinds[rng.IntN(len(kinds))] }

// leastWeight is what has to move at least so that nobody is further than that from its share.
func leastWeight(holdings []cluster.Holding, weights *cluster.Weights, near int64) int64 {
	_, share := weightOf(holdings, weights)
	surplus, lacking := int64(0), int64(0)
	for i := range holdings {
		l := load(holdings[i].Slots, weights)
		if holdings[i].Leaves {
			surplus += l
		} else {
			surplus += max(0, l-share-near)
			lacking += max(0, share-near-l)
		}
	}
	return max(surplus, lacking)
}

// With data as it ordinarily is, the shards are even afterwards, and it took what it takes and some slots.
func TestBalance_WeightsMoveTheLeast(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rng := dice(t)
		for range 5 {
			checkWeights(t, rng)
		}
	})
}

// What is rare: light slots fill all receivers before it is the turn of the heavy ones, of which too many are left.
func TestBalance_WeightsHeavyOnesFirst(t *testing.T) {
	t.Parallel()
	rng := seeded(0x51a)
	for range 5 {
		checkWeights(t, rng)
	}
}

func checkWeights(t fatal, rng *rand.Rand) {
	t.Helper()
	weights := weighing(rng, pick(rng, ordinary))
	holdings := dealt(rng)
	if rng.IntN(2) == 0 {
		holdings = resized(formed(1+rng.IntN(32)), 1+rng.IntN(32))
	}
	counted := effective(holdings, weights)
	total, share := weightOf(holdings, counted)
	slots, bytes := int64(0), int64(0)
	for i := range holdings {
		slots += int64(holdings[i].Slots.Len())
	}
	if slots*share < 50*total || slots == 0 {
		return // hardly any slots for each
	}
	slot := 4 * total / slots
	near := max(share/64, slot)
	transfers := cluster.Balance(holdings, weights)
	for _, tr := range transfers {
		bytes += load(tr.Slots, counted)
	}
	if least := leastWeight(holdings, counted, near); bytes > least+int64(len(holdings))*slot {
		t.Fatalf("%d move, %d shards need %d, a slot has %d", bytes, len(holdings), least, slot/4)
	}
	end := checkTransfers(t, holdings, transfers)
	if again := cluster.Balance(end, weights); len(again) > 0 {
		t.Fatalf("afterwards it goes on with %v", again)
	}
	if !cluster.Even(end, weights) {
		t.Fatalf("in the end it is not even")
	}
	for i := range end {
		if l := load(end[i].Slots, counted); !end[i].Leaves && max(l-share, share-l) > near+slot {
			t.Fatalf("%s has %d in the end, its share is %d, a slot has %d", end[i].Node, l, share, slot/4)
		}
	}
}

// Ten shards of three slots that hold everything, and a new one: it gets two or three of them.
func TestBalance_WeightsOfFewSlots(t *testing.T) {
	t.Parallel()
	weights := &cluster.Weights{}
	holdings := resized(formed(10), 11)
	for i := range holdings[:10] {
		for slot := range holdings[i].Slots.Take(3).All() {
			weights[slot] = 1e9
		}
	}
	end := checkTransfers(t, holdings, cluster.Balance(holdings, weights))
	for i := range end {
		if n := load(end[i].Slots, weights) / 1e9; n < 2 || n > 3 {
			t.Errorf("%s has %d of the 30 slots", end[i].Node, n)
		}
	}
}

func TestBalance_Weights(t *testing.T) {
	t.Parallel()
	megabytes := &cluster.Weights{}
	for slot := range megabytes {
		megabytes[slot] = 1e6
	}
	giant, giants, extreme, half := *megabytes, *megabytes, *megabytes, *megabytes
	giant[5], giants[5], giants[6] = 1e12, 1e12, 1e12
	for slot := range extreme {
		extreme[slot] = math.MaxInt64 - int64(slot%2)*math.MaxInt64*2
	}
	for slot := range half[:8192] {
		half[slot] = 0
	}
	cut := func(sets ...string) []cluster.Holding {
		holdings := make([]cluster.Holding, len(sets))
		for i, text := range sets {
			holdings[i] = cluster.Holding{Node: cluster.NodeID('a' + rune(i)), Slots: set(t, text)}
		}
		return holdings
	}
	leaves := func(holdings []cluster.Holding, i int) []cluster.Holding {
		holdings[i].Leaves = true
		return holdings
	}
	for sentence, c := range map[string]struct {
		holdings []cluster.Holding
		weights  *cluster.Weights
		even     bool
		want     []int // slots of each in the end
	}{
		"less than a tenth is not worth to begin": {cut("0-5799", "5800-11000", "11001-16383"), megabytes, true, []int{5546, 5419, 5419}},
		"more than a tenth is evened out": {
			cut("0-6799", "6800-11800", "11801-16383"), megabytes, false, []int{5546, 5419, 5419},
		},
		"what is begun ends before all is even":  {cut("0-5499", "5500-10920", "10921-16383"), megabytes, true, []int{5500, 5421, 5463}},
		"a new shard gets its share":             {cut("0-5461", "5462-10922", "10923-16383", ""), megabytes, false, []int{4117, 4117, 4117, 4033}},
		"a shard that leaves gives all it has":   {leaves(cut("0-4095", "4096-8191", "8192-12287", "12288-16383"), 0), megabytes, false, []int{0, 5462, 5461, 5461}},
		"empty slots are spread, too":            {cut("0-5461", "5462-10922", "10923-16383", ""), &cluster.Weights{}, false, []int{4117, 4117, 4117, 4033}},
		"who has much has fewer slots":           {cut("0-4095", "4096-8191", "8192-12287", "12288-16383"), &half, false, []int{6049, 6049, 2143, 2143}},
		"a slot above a share is left alone":     {cut("5", "0-4,6-8191", "8192-16383"), &giant, true, []int{1, 8191, 8192}},
		"others than it do not stay beside it":   {cut("0-8191", "8192-12287", "12288-16383"), &giant, false, []int{1, 8192, 8191}},
		"two of them do not trouble anybody":     {cut("5-6", "0-4,7-8191", "8192-16383"), &giants, true, []int{2, 8190, 8192}},
		"it goes to somebody from who leaves":    {leaves(cut("0-8191", "8192-12287", "12288-16383"), 0), &giant, false, []int{0, 1, 16383}},
		"weights that cannot be are cut":         {cut("0-8191", "8192-16383", ""), &extreme, false, []int{5504, 5504, 5376}},
		"nobody owns anything":                   {cut("", ""), megabytes, true, []int{0, 0}},
		"there is nobody":                        {nil, megabytes, true, nil},
		"nobody stays":                           {leaves(cut("0-16383"), 0), megabytes, true, []int{16384}},
		"a shard alone owns what it owns":        {cut("0-16383"), megabytes, true, []int{16384}},
		"there are more shards than slots":       {cut("5-7", "", "", ""), megabytes, false, []int{3, 0, 0, 0}},
		"a new shard comes while another leaves": {leaves(cut("0-8191", "8192-16383", ""), 0), megabytes, false, []int{0, 8192, 8192}},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			if even := cluster.Even(c.holdings, c.weights); even != c.even {
				t.Errorf("even: %v", even)
			}
			transfers := cluster.Balance(c.holdings, c.weights)
			checkTransfers(t, c.holdings, transfers)
			var got []int
			end := after(c.holdings, transfers)
			for i := range end {
				got = append(got, end[i].Slots.Len())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
