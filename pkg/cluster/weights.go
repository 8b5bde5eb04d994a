package cluster

import (
	"cmp"
	"slices"
)

// How near to its share a shard has to be, in fractions of the share.
const (
	startTolerance = 10 // nothing begins for less than a tenth
	endTolerance   = 64 // what has begun ends within a 64th
)

const (
	// heaviest is what a slot weighs at most, so that sums of all of them fit.
	heaviest = 1 << 47
	// ownWeight is the fraction of the mean weight that each slot has for itself, so that empty ones are spread, too.
	ownWeight = 16
)

// balanceWeights evens out the weights of the shards that stay, up to a tolerance: a 64th of a share, or as much as
// the slots are heavy that the shares are made of. Shards that are even neither give nor receive unless others need
// it, and then no more than brings those near enough. Ranges are kept together as far as that can be.
//
// As long as the weights stay the same, and whatever part of the transfers is carried out before it is asked again:
//
//   - It ends. Slots only go from shards that leave or are above their share to shards that are below.
//   - No slot moves twice. Who stays gives only what is beyond its share, and receives up to its share. Only what fits
//     nowhere goes to the lightest and may exceed that by a slot; that is no more than what is tolerated, and who is
//     not even then is filled first. This last part is tested, not proven.
//   - Who stays gives no more than what it has beyond its share, and one slot.
//
// A slot that is heavier than a share moves only from a shard that leaves. The share of the others is then what is
// left for each of them.
//
// Where shares are made of few slots, the light ones may have filled all receivers when it is the turn of the others.
// The heavier ones are then dealt out first, at the cost of shorter ranges.
func balanceWeights(holdings []*Holding, weights *Weights) []Transfer {
	s := newScale(holdings, weights)
	if s == nil || s.even(s.tolerance) {
		return nil
	}
	s.plan()
	if !s.level(s.startTolerance()) {
		s = newScale(holdings, weights)
		s.plan(s.deal)
	}
	return s.transfers()
}

// plan finds a goal for what is to move, with first before the other ways to place what a shard gives that stays.
func (s *scale) plan(first ...func(from *pan, w int64) *pan) {
	s.agree()
	fill := s.filling()
	for _, p := range s.pans {
		if p.Leaves {
			s.give(p, fill)
			s.give(p, s.settle)
		}
	}
	for _, p := range s.stay {
		if p.gives {
			for _, place := range append(first, fill, s.settle) {
				s.give(p, place)
			}
		}
	}
	s.keep = s.share // when it was not enough
	for _, p := range s.stay {
		if p.gives {
			p.slack = 0
			s.give(p, s.settleFar)
		}
	}
}

// scale knows what everybody weighs, and what has been planned.
type scale struct {
	weights [SlotCount]int64
	total   int64
	pans    []*pan // all shards
	stay    []*pan
	least   *pan            // see lightest; nil: look
	goal    [SlotCount]*pan // where a slot is to go; nil: nowhere
	light   int64           // slots up to this weight are what shares are made of
	share   int64
	near    int64 // how far from its share a shard may be left
	// tolerance is how far from its share a shard may be found: a bit more, because slots are only whole.
	tolerance  int64
	keep, want int64 // givers keep so much, receivers want so much
}

// pan is one shard on the scale.
type pan struct {
	*Holding
	slots []Slot
	load  int64 // of what it will own, as far as that is planned
	fixed int64 // the part of its load that it cannot give
	gives bool  // although it stays: it has more than it is to keep, and receives nothing
	// slack is added to what it is to keep or wants, another part of a slot for each, so that not all of them round in
	// the same direction.
	slack int64
}

// newScale is nil when there is nobody to own anything, or nothing to own.
func newScale(holdings []*Holding, weights *Weights) *scale {
	s := &scale{}
	owned := 0
	for _, h := range holdings {
		p := &pan{Holding: h, slots: slices.Collect(h.Slots.All())}
		s.pans = append(s.pans, p)
		owned += len(p.slots)
		if !h.Leaves {
			s.stay = append(s.stay, p)
		}
	}
	if owned == 0 || len(s.stay) == 0 {
		return nil
	}
	mean, coarsest := s.weigh(weights)
	n := int64(len(s.stay))
	s.light = min(max(2*mean, coarsest, min(4*mean, s.total/n/endTolerance)), s.total/(2*n))
	s.placeHeavy()
	s.findShare()
	s.light = min(s.light, s.share/2)
	s.near = max(s.share/endTolerance, s.light)
	s.tolerance = s.near + s.light
	for i, p := range s.stay {
		p.slack = min(max(mean, coarsest), s.light) * int64(2*i+1) / (2 * n)
	}
	return s
}

// weigh gives every slot that is owned its weight. It returns the mean weight, and that of the heaviest slots that
// lighter ones do not suffice to even out. Slots that are heavier than a share count for neither.
func (s *scale) weigh(weights *Weights) (mean, coarsest int64) {
	var sorted []int64
	spread := int64(0)
	for _, p := range s.pans {
		for _, slot := range p.slots {
			w := min(max(0, weights[slot]), heaviest)
			s.weights[slot] = w
			sorted = append(sorted, w)
			spread += w
		}
	}
	slices.Sort(sorted)
	shards := len(s.stay)
	for last := len(sorted) - 1; last >= 0 && shards > 1 && sorted[last] > spread/int64(shards); last-- {
		spread -= sorted[last]
		sorted = sorted[:last]
		shards--
	}
	mean = spread / int64(max(1, len(sorted)))
	own := 1 + mean/ownWeight
	lighter := int64(0)
	for i, w := range sorted {
		w += own
		if lighter/int64(min(shards, len(sorted)-i)) < 2*w {
			coarsest = w
		}
		lighter += w
	}
	for _, p := range s.pans {
		for _, slot := range p.slots {
			s.weights[slot] += own
			p.load += s.weights[slot]
		}
		s.total += p.load
	}
	return mean + own, coarsest
}

// placeHeavy finds places for what has to go and is too heavy to be one of many, the heaviest first: nothing else is
// planned for a shard that this fills.
func (s *scale) placeHeavy() {
	type load struct {
		from *pan
		slot Slot
	}
	var heavy []load
	for _, p := range s.pans {
		for _, slot := range p.slots {
			if p.Leaves && s.weights[slot] > s.light {
				heavy = append(heavy, load{p, slot})
			}
		}
	}
	slices.SortFunc(heavy, func(a, b load) int {
		return cmp.Or(-cmp.Compare(s.weights[a.slot], s.weights[b.slot]), cmp.Compare(a.slot, b.slot))
	})
	for _, h := range heavy {
		to := s.lightest()
		s.move(h.slot, h.from, to)
		to.fixed += s.weights[h.slot]
	}
}

// findShare finds what everybody has when all that can move is spread evenly: more only where a single slot is more.
func (s *scale) findShare() {
	s.share = s.total / int64(len(s.stay))
	for above := int64(heaviest) * 2; ; {
		for _, p := range s.stay {
			for _, slot := range p.slots {
				if w := s.weights[slot]; w > s.share && w <= above {
					p.fixed += w
				}
			}
		}
		above = s.share
		s.share = highest(0, s.share, func(level int64) bool {
			sum := int64(0)
			for _, p := range s.stay {
				sum += max(p.fixed, level)
			}
			return sum <= s.total
		})
		if s.share == above {
			return
		}
	}
}

// startTolerance is how far from its share a shard may be before anything begins.
func (s *scale) startTolerance() int64 { return max(s.share/startTolerance, s.tolerance) }

// even says that nobody leaves with slots or stays without, and nobody is further from its share than that.
func (s *scale) even(tolerance int64) bool {
	return s.level(tolerance) && !slices.ContainsFunc(s.pans, func(p *pan) bool { return p.Leaves == (len(p.slots) > 0) })
}

// level says that nobody that stays is further from its share than that, with what is planned.
func (s *scale) level(tolerance int64) bool {
	return !slices.ContainsFunc(s.stay, func(p *pan) bool {
		return p.load < s.share-tolerance || p.load > max(p.fixed, s.share+tolerance)
	})
}

// agree finds how much givers keep and receivers want, so that the least moves and both are the same amount. What
// has to go fills those that have the least. When it is not enough for those that are not even, those that have the
// most give more: they may have received, so nothing less is a reason to ask them.
func (s *scale) agree() {
	low, high := s.share-s.near, s.share+s.near
	lacking := int64(0)
	for _, p := range s.stay {
		if len(p.slots) == 0 || p.load < s.share-s.tolerance {
			lacking += max(0, low-p.load)
		}
	}
	if offer := s.offer(high); offer >= lacking {
		s.keep = high
		s.want = highest(0, s.share, func(level int64) bool { return s.demand(level) <= offer })
	} else {
		s.want = low
		demand := s.demand(low)
		s.keep = highest(s.share, high, func(level int64) bool { return s.offer(level) >= demand })
	}
	for _, p := range s.stay {
		p.gives = p.load > s.keep
	}
	s.least = nil
}

// offer is what there is to be given when everybody keeps so much.
func (s *scale) offer(keep int64) int64 {
	sum := int64(0)
	for _, p := range s.pans {
		if p.Leaves {
			sum += p.load
		} else {
			sum += max(0, p.load-max(p.fixed, keep))
		}
	}
	return sum
}

// demand is what is lacking when everybody wants so much.
func (s *scale) demand(want int64) int64 {
	sum := int64(0)
	for _, p := range s.stay {
		sum += max(0, want-p.load)
	}
	return sum
}

// filling gives to one after the other what it wants, and never more than its share: who has no more than its share
// is never asked to give.
func (s *scale) filling() func(from *pan, w int64) *pan {
	var receivers []*pan
	for _, p := range s.stay {
		if p.load < s.want {
			receivers = append(receivers, p)
		}
	}
	return func(_ *pan, w int64) *pan {
		for ; len(receivers) > 0; receivers = receivers[1:] {
			to := receivers[0]
			if to.load+w <= min(s.want+to.slack, s.share) {
				return to
			}
			if w > s.light { // it has room for others
				return nil
			}
		}
		return nil
	}
}

// deal spreads what is heavier than most over those that have the least, as long as nobody gets more than its share.
func (s *scale) deal(_ *pan, w int64) *pan {
	if to := s.lightest(); w > s.light && to.load+w <= s.share {
		return to
	}
	return nil
}

// settle finds a place for what did not fit: it has to be found only for what leaves.
func (s *scale) settle(from *pan, w int64) *pan {
	to := s.lightest()
	full := s.share
	if w <= s.light {
		full += s.light
	}
	if from.Leaves || to.load+w <= full && to.load+w < from.load {
		return to
	}
	return nil
}

// settleFar is settle for those that are still far below their share.
func (s *scale) settleFar(from *pan, w int64) *pan {
	if s.lightest().load < s.share-s.near {
		return s.settle(from, w)
	}
	return nil
}

// give offers the highest slots of a shard: all that it has, or all that it is not to keep.
func (s *scale) give(p *pan, place func(from *pan, w int64) *pan) {
	for _, slot := range slices.Backward(p.slots) {
		w := s.weights[slot]
		if p.gives && p.load <= s.keep+p.slack {
			return
		}
		if s.goal[slot] != nil || p.gives && (w > s.share || p.load-w < s.share-s.light) {
			continue
		}
		if to := place(p, w); to != nil {
			s.move(slot, p, to)
		}
	}
}

// lightest is the one that has the least of those that stay and do not give. There is one: not all are above the share.
func (s *scale) lightest() *pan {
	if s.least == nil {
		for _, p := range s.stay {
			if !p.gives && (s.least == nil || p.load < s.least.load) {
				s.least = p
			}
		}
	}
	return s.least
}

func (s *scale) move(slot Slot, from, to *pan) {
	s.goal[slot] = to
	from.load -= s.weights[slot]
	to.load += s.weights[slot]
	s.least = nil
}

func (s *scale) transfers() []Transfer {
	var transfers []Transfer
	for _, from := range s.pans {
		var targets []*pan
		for _, slot := range from.slots {
			if to := s.goal[slot]; to != nil && !slices.Contains(targets, to) {
				targets = append(targets, to)
			}
		}
		slices.SortFunc(targets, func(a, b *pan) int { return cmp.Compare(a.Node, b.Node) })
		for _, to := range targets {
			t := Transfer{From: from.Node, To: to.Node}
			for _, slot := range from.slots {
				if s.goal[slot] == to {
					t.Slots.words[slot/wordBits] |= 1 << (slot % wordBits)
				}
			}
			transfers = append(transfers, t)
		}
	}
	return transfers
}

// highest is the highest number from low to high for which it holds: for low it does, and up to some number.
func highest(low, high int64, holds func(int64) bool) int64 {
	for low < high {
		middle := high - (high-low)/2
		if holds(middle) {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low
}
