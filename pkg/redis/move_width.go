package redis

import "time"

const (
	// widestWindow bounds what is open at the same time: the ends stand still for as long as they set so many marks.
	widestWindow = 512
	// windowKeys is what the keys of a wider window may take to send: no more than those of a window as it begins with
	// where each slot has some dozens of small ones. What is open sends clients to and fro, and is lost most easily.
	windowKeys = 30 * time.Millisecond
)

// width is how many slots the windows of a pair have when latency counts.
//
// Every turn has every node of the cluster write its nodes.conf, and wait for the disk. Where that is most of what a
// turn takes, windows twice as wide are half as many, and clients have to wait half as often. So windows grow while a
// turn takes less for each slot than with half of them, and while their keys are few.
type width struct {
	slots int // of the next window
	most  int
	cost  time.Duration // of a slot, when windows had half as many; 0: nobody knows
}

// newWidth is for windows of a node that has so many keys, of so many bytes, in so many slots.
func newWidth(slots int, keys, bytes int64) *width {
	w := &width{slots: windowSlots, most: widestWindow}
	if all := cost(0, int(keys), bytes); all > windowKeys {
		w.most = min(w.most, int(windowKeys*time.Duration(slots)/all))
	}
	return w
}

// turned takes note of a turn that gave away and opened so many slots.
func (w *width) turned(given, opened int, took time.Duration) {
	if given != w.slots || opened != w.slots {
		return // the first or the last, or they have just grown
	}
	each := took / time.Duration(given+opened)
	switch {
	case w.cost > 0 && 4*each > 3*w.cost:
		w.slots /= 2
		w.most, w.cost = w.slots, 0 // that was too much, for good
	case 2*w.slots <= w.most:
		w.slots *= 2
		w.cost = each
	}
}
