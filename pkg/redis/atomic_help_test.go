package redis_test

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// slotOf is the slot of a key without braces.
func slotOf(key string) cluster.Slot {
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return cluster.Slot(crc % cluster.SlotCount)
}

// slotTags is a word for each slot: what is in braces decides on the slot of a key.
var slotTags = func() (tags [cluster.SlotCount]string) {
	for i, found := 0, 0; found < cluster.SlotCount; i++ {
		word := strconv.FormatInt(int64(i), 36)
		if slot := slotOf(word); tags[slot] == "" {
			tags[slot] = word
			found++
		}
	}
	return tags
}()

// keyIn is the name of a key in the slot.
func keyIn(slot cluster.Slot, i int) string { return fmt.Sprintf("{%s}%d", slotTags[slot], i) }

// wire is a connection that sends many commands before it reads their answers.
type wire struct {
	net.Conn
	in *bufio.Reader
}

func dialWire(addr string) (*wire, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &wire{Conn: conn, in: bufio.NewReaderSize(conn, 1<<16)}, nil
}

// do sends the commands, and gives the answers: an error with its "-", a list as its first line.
func (w *wire) do(cmds ...[]string) ([]string, error) {
	var out strings.Builder
	for _, cmd := range cmds {
		fmt.Fprintf(&out, "*%d\r\n", len(cmd))
		for _, arg := range cmd {
			fmt.Fprintf(&out, "$%d\r\n%s\r\n", len(arg), arg)
		}
	}
	if err := w.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := w.Write([]byte(out.String())); err != nil {
		return nil, err
	}
	answers := make([]string, len(cmds))
	for i := range answers {
		answer, err := w.read()
		if err != nil {
			return nil, err
		}
		answers[i] = answer
	}
	return answers, nil
}

func (w *wire) read() (string, error) {
	line, err := w.in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	switch line[0] {
	case '$':
		n, err := strconv.Atoi(line[1:])
		if err != nil || n < 0 {
			return "", err
		}
		buf := make([]byte, n+2)
		for at := 0; at < len(buf); {
			k, err := w.in.Read(buf[at:])
			if err != nil {
				return "", err
			}
			at += k
		}
		return string(buf[:n]), nil
	case '+', ':':
		return line[1:], nil
	case '*':
		n, _ := strconv.Atoi(line[1:])
		var parts []string
		for range n {
			part, err := w.read()
			if err != nil {
				return "", err
			}
			parts = append(parts, part)
		}
		return strings.Join(parts, " "), nil
	}
	return line, nil
}

// fill writes keys to the server, many at once, and fails the test when one is refused.
func fill(tb testing.TB, s *redistest.Server, cmds func(yield func([]string) bool)) {
	tb.Helper()
	w, err := dialWire(s.Addr())
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	var batch [][]string
	flush := func() {
		answers, err := w.do(batch...)
		if err != nil {
			tb.Fatal(err)
		}
		for i, answer := range answers {
			if strings.HasPrefix(answer, "-") {
				tb.Fatalf("%.100v at %s: %s", batch[i], s.Addr(), answer)
			}
		}
		batch = batch[:0]
	}
	for cmd := range cmds {
		if batch = append(batch, cmd); len(batch) == 500 {
			flush()
		}
	}
	flush()
}

// strings of a size, some of each slot.
func stringsIn(slots cluster.SlotSet, each, size int) func(yield func([]string) bool) {
	value := strings.Repeat("0123456789abcdef", size/16+1)[:size]
	return func(yield func([]string) bool) {
		for slot := range slots.All() {
			for i := range each {
				if !yield([]string{"SET", keyIn(slot, i), value}) {
					return
				}
			}
		}
	}
}

// atomicEngines are the servers that migrate whole slots by themselves.
func atomicEngines(tb testing.TB) []redistest.Engine {
	tb.Helper()
	engines := slices.DeleteFunc(redistest.Engines(tb), func(e redistest.Engine) bool {
		end := redis.MoveEnd{Version: e.Version}
		return !redis.AtomicPair(end, end)
	})
	if len(engines) < 2 {
		tb.Fatalf("no Valkey 9 or no Redis 8.4 here: make lab-engines")
	}
	return engines
}

// end is a node of the cluster as the end of a move.
func end(c *redistest.Cluster, i int) redis.MoveEnd {
	s := c.Servers[i]
	return redis.MoveEnd{Endpoint: s.Endpoint(), ID: c.IDs[i], Peer: s.Peer(), Version: s.Engine.Version}
}

// slotsOf is what the node itself says that it owns.
func slotsOf(tb testing.TB, c *redistest.Cluster, i int) cluster.SlotSet {
	tb.Helper()
	info, err := c.Clients.Observe(tb.Context(), c.Servers[i].Endpoint())
	if err != nil {
		tb.Fatal(err)
	}
	return info.Self().Slots
}
