package redisnode

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// stateFile is where an agent keeps what must outlive it. It is in the data directory: it belongs to the node.
const stateFile = "redisnode.json"

// record is the content of the state file.
type record struct {
	ClusterUID string `json:"clusterUID"`
	Generation int64  `json:"generation"`
	Fenced     bool   `json:"fenced,omitempty"`
	// Doubt is why the node counts as fenced although nobody is known to have ordered it.
	Doubt    string `json:"doubt,omitempty"`
	DataLost string `json:"dataLost,omitempty"`
	// AppendOnly is what the append-only file was worth when redis last said so: appendonly.go.
	AppendOnly cluster.AppendOnly `json:"appendOnly,omitempty"`
	// Stale is the list of append-only files that were there when redis wrote none; "" when there were none.
	Stale string `json:"stale,omitempty"`
	// StaleSnapshot is the snapshot that was there when redis made none.
	StaleSnapshot string `json:"staleSnapshot,omitempty"`
	// NodeID is who the node is, for when its nodes.conf is lost.
	NodeID cluster.NodeID `json:"nodeID,omitempty"`
	// Mark counts how far the volume of a primary has come, and CopyMark how far that of CopyOf had when this copy of it
	// was in sync: mark.go.
	Mark     int64          `json:"mark,omitempty"`
	CopyOf   cluster.NodeID `json:"copyOf,omitempty"`
	CopyMark int64          `json:"copyMark,omitempty"`
}

// state is the record, in memory and on disk.
type state struct {
	path string

	mu      sync.Mutex
	record  record
	changed chan struct{} // closed at the next change
}

// loadState reads the record. One of another cluster is as none, an old volume must not fence a new cluster, but for
// what the files beside it are worth. One that cannot be read may have held a fence, which must not be lifted by a
// broken disk: it counts as one.
func loadState(dataDir, clusterUID string) (*state, error) {
	s := &state{
		path:    filepath.Join(dataDir, stateFile),
		record:  record{ClusterUID: clusterUID},
		changed: make(chan struct{}),
	}
	data, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load state: %w", err)
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		s.doubt(err)
		return s, nil
	}
	if r.ClusterUID != clusterUID {
		r = record{ClusterUID: clusterUID, AppendOnly: r.AppendOnly, Stale: r.Stale, StaleSnapshot: r.StaleSnapshot}
	}
	s.record = r
	return s, nil
}

// doubt sets a record aside that cannot be read, and fences the node. Where the disk does not let it, the record is
// there the next time too, and means the same.
func (s *state) doubt(cause error) {
	aside, err := setAside(s.path)
	doubt := fmt.Sprintf("%s could not be read, and may have held a fence (%v); `redisnode unfence` in this pod lifts it",
		s.path, cause)
	if err == nil {
		err = s.change(func(r *record) { r.Fenced, r.Doubt = true, doubt })
	} else {
		s.record.Fenced, s.record.Doubt = true, doubt
	}
	glog.Warningf("%s; it is set aside as %q: %v", doubt, aside, err)
}

func (s *state) read() record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record
}

// wait is closed when the record changes.
func (s *state) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// change applies fn to the record and writes it. What could not be written holds in memory all the same:
// a full disk must not lift a fence.
func (s *state) change(fn func(*record)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.record
	fn(&s.record)
	if s.record == before {
		return nil
	}
	close(s.changed)
	s.changed = make(chan struct{})
	data, err := json.Marshal(s.record)
	if err != nil {
		return err
	}
	return writeFile(s.path, append(data, '\n'), 0o600)
}

// Highest is the highest generation of an order.
func (s *state) Highest() int64 { return s.read().Generation }

// Raise remembers a generation. A disk that cannot be written to does not stand in the way of an order that
// may be there to save data: the generation then holds until the agent ends.
func (s *state) Raise(generation int64) error {
	err := s.change(func(r *record) { r.Generation = max(r.Generation, generation) })
	if err != nil {
		glog.Warningf("generation %d is kept in memory only: %v", generation, err)
	}
	return nil
}
