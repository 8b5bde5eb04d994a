//go:build bench

package bench

import (
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// expense is what a move cost.
type expense struct {
	wall   time.Duration
	cpu    time.Duration // of the mover's process
	heap   uint64        // how much the heap was larger than before, at most; of redis-cli its largest size
	allocs uint64        // bytes that were allocated
	faults []string      // what it complained of, before it was asked again
}

// meter measures this process.
type meter struct {
	start  time.Time
	cpu    time.Duration
	heap   uint64
	allocs uint64
	peak   uint64
	stop   chan struct{}
	ended  sync.WaitGroup
}

// How much of the heap is in use, dead objects that no collection has found yet included; and all that ever was.
const (
	heapInUse = "/memory/classes/heap/objects:bytes"
	allocated = "/gc/heap/allocs:bytes"
)

func startMeter() *meter {
	runtime.GC()
	m := &meter{stop: make(chan struct{}), cpu: cpuTime(), heap: readMetric(heapInUse), allocs: readMetric(allocated)}
	m.ended.Go(func() {
		look := time.NewTicker(10 * time.Millisecond)
		defer look.Stop()
		for {
			m.peak = max(m.peak, readMetric(heapInUse))
			select {
			case <-m.stop:
				return
			case <-look.C:
			}
		}
	})
	m.start = time.Now()
	return m
}

func (m *meter) read() expense {
	e := expense{wall: time.Since(m.start), cpu: cpuTime() - m.cpu, allocs: readMetric(allocated) - m.allocs}
	close(m.stop)
	m.ended.Wait()
	e.heap = m.peak - min(m.peak, m.heap)
	return e
}

func readMetric(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err) // only for a bad argument
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// mainThread is how long the thread of a server that serves its clients has been on a processor.
func mainThread(t *testing.T, s *redistest.Server) time.Duration {
	t.Helper()
	// The file of the process is the one of its first thread.
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", s.PID()))
	if err != nil {
		t.Fatal(err)
	}
	spent, _, _ := strings.Cut(string(text), " ")
	nanos, err := strconv.ParseInt(spent, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(nanos)
}

func (a *arena) mainThreads(t *testing.T) []time.Duration {
	t.Helper()
	var spent []time.Duration
	for _, s := range a.servers[:primaries] {
		spent = append(spent, mainThread(t, s))
	}
	return spent
}
