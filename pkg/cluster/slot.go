package cluster

// Slot is a hash slot, 0 to 16383.
type Slot uint16

// SlotCount is the number of slots of every Redis Cluster.
const SlotCount = 16384

// SlotSet is a set of slots. It is a value: the zero value is empty, == compares, and no method changes its receiver.
type SlotSet struct {
	words [SlotCount / 64]uint64
}
