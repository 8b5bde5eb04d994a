package cluster

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Heard is when the node that gave a table has last heard of another, by its own clock.
type Heard struct {
	ID       NodeID
	Pinged   time.Time // when it sent the ping that has no answer yet; zero: all have been answered
	Answered time.Time // the last answer to a ping: its own, or one that others have told it of; zero: none yet
}

// ParseHeard reads when nodes have been heard of from an answer to CLUSTER NODES, but for the node that gave it.
func ParseHeard(text string) ([]Heard, error) {
	var all []Heard
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "vars" {
			continue
		}
		node, err := parseNode(fields)
		if err != nil {
			return nil, err
		}
		if node.Flags.Myself {
			continue
		}
		pinged, err := parseStamp(fields[fieldPing])
		if err != nil {
			return nil, err
		}
		answered, err := parseStamp(fields[fieldPong])
		if err != nil {
			return nil, err
		}
		all = append(all, Heard{ID: node.ID, Pinged: pinged, Answered: answered})
	}
	return all, nil
}

// parseStamp reads milliseconds of the Unix epoch; 0 is no time.
func parseStamp(text string) (time.Time, error) {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < 0 {
		return time.Time{}, fmt.Errorf("%w: time %q", ErrNodes, clip(text))
	}
	if ms == 0 {
		return time.Time{}, nil
	}
	return time.UnixMilli(ms), nil
}
