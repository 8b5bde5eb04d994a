package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrNodes says that a text is not what CLUSTER NODES answers, nor a nodes.conf.
var ErrNodes = errors.New("not a table of nodes")

// The fields of a line: id, address, flags, primary, ping sent, pong received, config epoch, link, then slots.
const (
	fieldID = iota
	fieldAddr
	fieldFlags
	fieldPrimary
	fieldPing
	fieldPong
	fieldEpoch
	fieldLink
	fieldSlots
)

const (
	nodeIDLen     = 40
	busPortOffset = 10000 // of servers that write no bus port
	longestQuote  = 200   // of a line in an error
)

// ParseNodes reads the answer to CLUSTER NODES, or a nodes.conf, of Redis 3 or newer and of Valkey. The
// table is sorted by ID. A text that names a node twice, or two nodes as the one that answered, is refused;
// one that names none is not: whoever needs Self must look.
func ParseNodes(text string) (Table, error) {
	var table Table
	number := 0
	for line := range strings.Lines(text) {
		number++
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "vars" { // "vars currentEpoch 6 lastVoteEpoch 0": the end of nodes.conf
			continue
		}
		node, err := parseNode(fields)
		if err != nil {
			return nil, fmt.Errorf("line %d %q: %w", number, clip(strings.TrimSpace(line)), err)
		}
		table = append(table, node)
	}
	slices.SortStableFunc(table, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	if err := table.check(); err != nil {
		return nil, err
	}
	return table, nil
}

// check says what no server would write: it is a sign of two texts in one.
func (t Table) check() error {
	selves := 0
	for i, n := range t {
		if i > 0 && t[i-1].ID == n.ID {
			return fmt.Errorf("%w: %s is in it twice", ErrNodes, n.ID)
		}
		if n.Flags.Myself {
			selves++
		}
	}
	if selves > 1 {
		return fmt.Errorf("%w: %d nodes are myself", ErrNodes, selves)
	}
	return nil
}

func parseNode(fields []string) (Node, error) {
	if len(fields) < fieldSlots {
		return Node{}, fmt.Errorf("%w: %d fields, not %d or more", ErrNodes, len(fields), fieldSlots)
	}
	id, err := parseNodeID(fields[fieldID])
	if err != nil {
		return Node{}, err
	}
	node := Node{ID: id}
	if node.Addr, node.Hostname, err = parseAddr(fields[fieldAddr]); err != nil {
		return Node{}, err
	}
	node.Role, node.Flags = parseFlags(fields[fieldFlags])
	if primary := fields[fieldPrimary]; primary != "-" {
		if node.PrimaryID, err = parseNodeID(primary); err != nil {
			return Node{}, err
		}
	}
	if node.ConfigEpoch, err = strconv.ParseUint(fields[fieldEpoch], 10, 64); err != nil {
		return Node{}, fmt.Errorf("%w: config epoch %q", ErrNodes, fields[fieldEpoch])
	}
	node.Connected = fields[fieldLink] == "connected"
	node.Awaited = !node.Flags.Myself && (fields[fieldPing] != "0" || fields[fieldPong] == "0")
	if err := parseOwned(&node, fields[fieldSlots:]); err != nil {
		return Node{}, err
	}
	return node, nil
}

func parseNodeID(text string) (NodeID, error) {
	if len(text) != nodeIDLen || strings.Trim(text, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%w: node ID %q", ErrNodes, text)
	}
	return NodeID(text), nil
}

// parseAddr reads "ip:port@busport,hostname,key=value,...". An IP may be empty (not known yet), and an IPv6
// one is written without brackets. The hostname may be missing or empty; keys are not looked at.
func parseAddr(text string) (Addr, string, error) {
	endpoint, more, _ := strings.Cut(text, ",")
	hostname, _, _ := strings.Cut(more, ",")
	if strings.Contains(hostname, "=") {
		hostname = ""
	}
	endpoint, bus, hasBus := strings.Cut(endpoint, "@")
	colon := strings.LastIndexByte(endpoint, ':')
	if colon < 0 {
		return Addr{}, "", fmt.Errorf("%w: address %q", ErrNodes, text)
	}
	port, err := parsePort(endpoint[colon+1:])
	if err != nil {
		return Addr{}, "", err
	}
	busPort := port + busPortOffset
	if hasBus {
		if busPort, err = parsePort(bus); err != nil {
			return Addr{}, "", err
		}
	}
	ip := strings.TrimSuffix(strings.TrimPrefix(endpoint[:colon], "["), "]")
	if ip == "?" { // Valkey's and Redis' word for an endpoint that is not known
		ip = ""
	}
	return Addr{IP: ip, Port: port, BusPort: busPort}, hostname, nil
}

func parsePort(text string) (int, error) {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%w: port %q", ErrNodes, text)
	}
	return int(port), nil
}

// parseFlags passes over flags that it does not know, so that a newer server can be read.
func parseFlags(text string) (Role, Flags) {
	var role Role
	var flags Flags
	for flag := range strings.SplitSeq(text, ",") {
		switch flag {
		case "master":
			role = Primary
		case "slave":
			role = Replica
		case "myself":
			flags.Myself = true
		case "handshake":
			flags.Handshake = true
		case "noaddr":
			flags.NoAddr = true
		case "fail?":
			flags.PFail = true
		case "fail":
			flags.Fail = true
		}
	}
	return role, flags
}

// parseOwned reads "0-5460", "42", "[42->-id]" (migrating to) and "[42-<-id]" (importing from).
func parseOwned(node *Node, fields []string) error {
	for _, field := range fields {
		if field == "-" {
			continue
		}
		if strings.HasPrefix(field, "[") {
			open, err := parseOpenSlot(field)
			if err != nil {
				return err
			}
			node.Open = append(node.Open, open)
			continue
		}
		r, err := parseSlotRange(field)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNodes, err)
		}
		node.Slots = node.Slots.Union(NewSlotSet(r))
	}
	slices.SortStableFunc(node.Open, func(a, b OpenSlot) int { return cmp.Compare(a.Slot, b.Slot) })
	return nil
}

func parseOpenSlot(text string) (OpenSlot, error) {
	inner, closed := strings.CutSuffix(strings.TrimPrefix(text, "["), "]")
	if closed {
		for _, arrow := range []string{"->-", "-<-"} {
			number, peer, found := strings.Cut(inner, arrow)
			if !found {
				continue
			}
			slot, err := parseSlot(number)
			if err != nil {
				return OpenSlot{}, fmt.Errorf("%w: %w", ErrNodes, err)
			}
			id, err := parseNodeID(peer)
			if err != nil {
				return OpenSlot{}, err
			}
			return OpenSlot{Slot: slot, Importing: arrow == "-<-", Peer: id}, nil
		}
	}
	return OpenSlot{}, fmt.Errorf("%w: open slot %q", ErrNodes, text)
}

func clip(text string) string {
	if len(text) > longestQuote {
		return text[:longestQuote] + "..."
	}
	return text
}
