package witness

import (
	"slices"
	"strconv"
	"strings"
)

// Node is one line of CLUSTER NODES.
type Node struct {
	ID, Addr, Primary string // Addr without a hostname; Primary is "" of a primary
	flags             []string
	slots             []slotRange
	open              []string // [slot->-id] and [slot-<-id]
}

type slotRange struct{ first, last int }

// ReadNodes reads the reply of CLUSTER NODES. A line that is cut is left out.
func ReadNodes(text string) []Node {
	var nodes []Node
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 8 {
			continue
		}
		addr, _, _ := strings.Cut(fields[1], ",")
		n := Node{ID: fields[0], Addr: addr, flags: strings.Split(fields[2], ",")}
		if fields[3] != "-" {
			n.Primary = fields[3]
		}
		for _, f := range fields[8:] {
			if strings.HasPrefix(f, "[") {
				n.open = append(n.open, f)
			} else {
				n.slots = append(n.slots, readRange(f))
			}
		}
		nodes = append(nodes, n)
	}
	return nodes
}

func readRange(text string) slotRange {
	first, last, found := strings.Cut(text, "-")
	a, _ := strconv.Atoi(first)
	if !found {
		return slotRange{a, a}
	}
	b, _ := strconv.Atoi(last)
	return slotRange{a, b}
}

// Is says whether the node has a flag, as myself, master, slave, fail or handshake.
func (n Node) Is(flag string) bool { return slices.Contains(n.flags, flag) }

// Owns says whether a slot is the node's.
func (n Node) Owns(slot uint16) bool {
	return slices.ContainsFunc(n.slots, func(r slotRange) bool { return r.first <= int(slot) && int(slot) <= r.last })
}

// SlotCount is how many slots are the node's.
func (n Node) SlotCount() int {
	total := 0
	for _, r := range n.slots {
		total += r.last - r.first + 1
	}
	return total
}
