package chaos

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/redisoperator/redis-operator/test/e2e/framework"
	"github.com/redisoperator/redis-operator/test/e2e/witness"
)

// audit reads the API server's log of all that is not a read.
type audit struct {
	path string
	at   int64
	rest []byte // of a line that was not whole yet
}

// entry is a line of it.
type entry struct {
	Verb      string    `json:"verb"`
	Stage     string    `json:"stage"`
	At        time.Time `json:"requestReceivedTimestamp"`
	ObjectRef struct {
		Resource, Namespace, Name, Subresource string
	} `json:"objectRef"`
	User struct {
		Username string `json:"username"`
	} `json:"user"`
}

// RunDir is where the lab keeps its logs and the disks of its nodes.
func (w *World) RunDir(ctx context.Context) (string, error) {
	cache, err := w.Cluster.Run(ctx, w.lab, "cache")
	if err != nil {
		return "", err
	}
	name := os.Getenv("NS")
	if name == "" {
		name = "rdclab"
	}
	return filepath.Join(strings.TrimSpace(cache), "run", name), nil
}

// newAudit begins at the end of the log.
func (w *World) newAudit(ctx context.Context) (*audit, error) {
	dir, err := w.RunDir(ctx)
	if err != nil {
		return nil, err
	}
	a := &audit{path: filepath.Join(dir, "logs/audit.log")}
	info, err := os.Stat(a.path)
	if err != nil {
		return nil, fmt.Errorf("the API server's log of writes: %w", err)
	}
	a.at = info.Size()
	return a, nil
}

// next are the operator's writes since it was asked last, less the renewals of its Lease.
func (a *audit) next() ([]entry, error) {
	file, err := os.Open(a.path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < a.at {
		a.at, a.rest = 0, nil // the log was rotated
	}
	if _, err = file.Seek(a.at, io.SeekStart); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	a.at += int64(len(data))
	data = append(a.rest, data...)
	whole := bytes.LastIndexByte(data, '\n') + 1
	a.rest = bytes.Clone(data[whole:])
	return operatorWrites(data[:whole])
}

func operatorWrites(data []byte) ([]entry, error) {
	var found []entry
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return found, fmt.Errorf("the API server's log: %w", err)
		}
		if e.byOperator() && e.ObjectRef.Resource != "leases" && e.Stage == "ResponseComplete" {
			found = append(found, e)
		}
	}
	return found, lines.Err()
}

func (e entry) byOperator() bool {
	return strings.HasPrefix(e.User.Username, "system:serviceaccount:"+framework.OperatorNamespace+":")
}

func (e entry) String() string {
	return fmt.Sprintf("%s %s %s %s/%s", e.At.Format("15:04:05.000"), e.Verb, e.ObjectRef.Resource,
		e.ObjectRef.Namespace, e.ObjectRef.Name)
}

// Guard watches from now on that the operator deletes no pod that is of use (I4): nothing asks it to, for what breaks
// here breaks by itself. It ends with the context; what it says is complete once the channel is closed.
func (w *World) Guard(ctx context.Context) (<-chan []error, error) {
	log, err := w.newAudit(ctx)
	if err != nil {
		return nil, err
	}
	said := make(chan []error, 1)
	go func() {
		defer close(said)
		var wrong []error
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			entries, err := log.next()
			if err != nil {
				wrong = append(wrong, err)
				break
			}
			for _, e := range entries {
				if pod := useful(w.Observer.Last(), w.Cluster.Namespace, e); pod != "" {
					wrong = append(wrong, fmt.Errorf("I4: the operator deleted %s, which was in order: %s", pod, e))
				}
			}
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
		said <- wrong
	}()
	return said, nil
}

// useful is the pod that an entry deletes, when its node served or followed a moment ago; "" otherwise.
func useful(look witness.Look, namespace string, e entry) string {
	if e.Verb != "delete" || e.ObjectRef.Resource != "pods" || e.ObjectRef.Namespace != namespace {
		return ""
	}
	for _, s := range look.Seen {
		self := s.Self()
		if s.Pod.Name == e.ObjectRef.Name && s.Pod.Ready && (self.SlotCount() > 0 || self.Is("slave") && s.LinkUp) {
			return s.Pod.Name
		}
	}
	return ""
}
