package cluster

import (
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"strconv"
	"strings"
)

// Slot is a hash slot, 0 to 16383.
type Slot uint16

// SlotCount is the number of slots of every Redis Cluster.
const SlotCount = 16384

const wordBits = 64

// ErrSlots says that a text is not a list of slots.
var ErrSlots = errors.New("not a list of slots")

// SlotRange is the slots from First to Last, both of them included.
type SlotRange struct{ First, Last Slot }

// Len is the number of slots in the range.
func (r SlotRange) Len() int { return max(0, int(r.Last)-int(r.First)+1) }

// String is "0-5460", or "42" for a single slot.
func (r SlotRange) String() string {
	first := strconv.Itoa(int(r.First))
	if r.First == r.Last {
		return first
	}
	return first + "-" + strconv.Itoa(int(r.Last))
}

// SlotSet is a set of slots. It is a value: the zero value is empty, == compares, and no method changes its receiver.
type SlotSet struct {
	words [SlotCount / wordBits]uint64
}

// NewSlotSet is the slots of all the ranges. What lies beyond the last slot is left out.
func NewSlotSet(ranges ...SlotRange) SlotSet {
	var s SlotSet
	for _, r := range ranges {
		end := int(min(r.Last, SlotCount-1)) + 1
		for slot := int(r.First); slot < end; {
			next := min(end, (slot/wordBits+1)*wordBits)
			s.words[slot/wordBits] |= (^uint64(0) >> (wordBits - (next - slot))) << (slot % wordBits)
			slot = next
		}
	}
	return s
}

// AllSlots is every slot there is.
func AllSlots() SlotSet { return allSlots }

var allSlots = NewSlotSet(SlotRange{Last: SlotCount - 1})

// ParseSlots reads what String writes: "0-5460,5462". The empty text and "-" are the empty set.
func ParseSlots(text string) (SlotSet, error) {
	if text == "" || text == "-" {
		return SlotSet{}, nil
	}
	var s SlotSet
	for part := range strings.SplitSeq(text, ",") {
		r, err := parseSlotRange(part)
		if err != nil {
			return SlotSet{}, err
		}
		s = s.Union(NewSlotSet(r))
	}
	return s, nil
}

// parseSlotRange reads "0-5460" or "42".
func parseSlotRange(text string) (SlotRange, error) {
	from, to, isRange := strings.Cut(text, "-")
	first, err := parseSlot(from)
	if err != nil {
		return SlotRange{}, err
	}
	last := first
	if isRange {
		if last, err = parseSlot(to); err != nil {
			return SlotRange{}, err
		}
	}
	if last < first {
		return SlotRange{}, fmt.Errorf("%w: %q", ErrSlots, text)
	}
	return SlotRange{First: first, Last: last}, nil
}

func parseSlot(text string) (Slot, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n >= SlotCount {
		return 0, fmt.Errorf("%w: %q", ErrSlots, text)
	}
	return Slot(n), nil
}

// Len is the number of slots in the set.
func (s SlotSet) Len() int {
	n := 0
	for _, w := range s.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// IsEmpty says that there is no slot in the set.
func (s SlotSet) IsEmpty() bool { return s == SlotSet{} }

// Has says whether the slot is in the set.
func (s SlotSet) Has(slot Slot) bool {
	return slot < SlotCount && s.words[slot/wordBits]&(1<<(slot%wordBits)) != 0
}

// Add is the set with these slots too. What lies beyond the last slot is left out.
func (s SlotSet) Add(slots ...Slot) SlotSet {
	for _, slot := range slots {
		if slot < SlotCount {
			s.words[slot/wordBits] |= 1 << (slot % wordBits)
		}
	}
	return s
}

// Remove is the set without these slots.
func (s SlotSet) Remove(slots ...Slot) SlotSet {
	for _, slot := range slots {
		if slot < SlotCount {
			s.words[slot/wordBits] &^= 1 << (slot % wordBits)
		}
	}
	return s
}

// Union is the slots that are in either set.
func (s SlotSet) Union(other SlotSet) SlotSet {
	for i := range s.words {
		s.words[i] |= other.words[i]
	}
	return s
}

// Minus is the slots that are not in the other set.
func (s SlotSet) Minus(other SlotSet) SlotSet {
	for i := range s.words {
		s.words[i] &^= other.words[i]
	}
	return s
}

// Intersect is the slots that are in both sets.
func (s SlotSet) Intersect(other SlotSet) SlotSet {
	for i := range s.words {
		s.words[i] &= other.words[i]
	}
	return s
}

// Take is the n lowest slots of the set, or all of them when there are not so many.
func (s SlotSet) Take(n int) SlotSet {
	var taken SlotSet
	for i, w := range s.words {
		if n <= 0 {
			break
		}
		for c := bits.OnesCount64(w); c > n; c-- {
			w &^= 1 << (bits.Len64(w) - 1)
		}
		taken.words[i] = w
		n -= bits.OnesCount64(w)
	}
	return taken
}

// TakeLast is the n highest slots of the set, or all of them when there are not so many.
func (s SlotSet) TakeLast(n int) SlotSet { return s.Minus(s.Take(s.Len() - max(0, n))) }

// All goes through the slots, lowest first.
func (s SlotSet) All() iter.Seq[Slot] {
	return func(yield func(Slot) bool) {
		for i, w := range s.words {
			for ; w != 0; w &= w - 1 {
				if !yield(slotAt(i, bits.TrailingZeros64(w))) {
					return
				}
			}
		}
	}
}

// Ranges is the set as the fewest ranges, lowest first.
func (s SlotSet) Ranges() []SlotRange {
	var ranges []SlotRange
	for i, w := range s.words {
		for at := 0; w>>at != 0; {
			at += bits.TrailingZeros64(w >> at)
			run := bits.TrailingZeros64(^(w >> at))
			first, last := slotAt(i, at), slotAt(i, at+run-1)
			if n := len(ranges); n > 0 && ranges[n-1].Last+1 == first {
				ranges[n-1].Last = last
			} else {
				ranges = append(ranges, SlotRange{First: first, Last: last})
			}
			at += run
		}
	}
	return ranges
}

// String is the ranges, as "0-5460,5462"; "" for the empty set.
func (s SlotSet) String() string {
	parts := make([]string, 0, 1)
	for _, r := range s.Ranges() {
		parts = append(parts, r.String())
	}
	return strings.Join(parts, ",")
}

// first is the lowest slot; SlotCount when there is none.
func (s SlotSet) first() Slot {
	for i, w := range s.words {
		if w != 0 {
			return slotAt(i, bits.TrailingZeros64(w))
		}
	}
	return SlotCount
}

// slotAt is the slot of a bit.
func slotAt(word, bit int) Slot {
	return Slot(word*wordBits + bit) //nolint:gosec // a word and a bit of the set make less than SlotCount
}
