package cluster

// Holding is what one shard owns now.
type Holding struct {
	Node  NodeID // of the primary
	Slots SlotSet
	// Leaves says that the shard is to own nothing in the end.
	Leaves bool
}

// Transfer is slots that are to go from one shard to another.
type Transfer struct {
	From, To NodeID
	Slots    SlotSet
}

// Weights is what each slot weighs, for shares that are not counted in slots: bytes, never negative.
type Weights [SlotCount]int64

// SlotTask is a migration that a server carries out by itself, all of its slots at once (Valkey 9, Redis 8.4).
type SlotTask struct {
	ID             string
	Source, Target NodeID
	Slots          SlotSet
}
