package framework

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/redisoperator/redis-operator/test/e2e/witness"
)

// kind is a type of value, in one of the ways that servers keep it: what writes it, and what reads all of it.
type kind struct {
	name  string
	write [][]string // without the key, which comes second
	read  []string
}

// kinds are all types of value, small ones and those too large to be kept as small ones are.
func kinds() []kind {
	const many = 700 // more than any type keeps in one piece
	all := func(command string, words func(i int) []string) [][]string {
		var out [][]string
		for i := range many {
			out = append(out, append([]string{command}, words(i)...))
		}
		return out
	}
	member := func(i int) string { return fmt.Sprintf("member %d", i) }
	return []kind{
		{"string", [][]string{{"SET", "a\x00b\r\nc"}}, []string{"GET"}},
		{"number", [][]string{{"SET", "42"}, {"INCRBY", "8"}}, []string{"GET"}},
		{"bits", [][]string{{"SETBIT", "70000", "1"}}, []string{"BITCOUNT"}},
		{"expiry", [][]string{{"SET", "x", "EX", "86400"}}, []string{"PEXPIRETIME"}},
		{"list", [][]string{{"RPUSH", "b", "a", "c"}}, []string{"LRANGE", "0", "-1"}},
		{"long list", all("RPUSH", func(i int) []string { return []string{member(i)} }), []string{"LRANGE", "0", "-1"}},
		{"numbers", [][]string{{"SADD", "3", "1", "2"}}, []string{"SMEMBERS"}},
		{"set", all("SADD", func(i int) []string { return []string{member(i)} }), []string{"SMEMBERS"}},
		{"hash", [][]string{{"HSET", "a", "1", "b", "2"}}, []string{"HGETALL"}},
		{"large hash", all("HSET", func(i int) []string { return []string{member(i), strconv.Itoa(i)} }), []string{"HGETALL"}},
		{"sorted set", [][]string{{"ZADD", "1.5", "a", "-inf", "b"}}, []string{"ZRANGE", "0", "-1", "WITHSCORES"}},
		{
			"large sorted set", all("ZADD", func(i int) []string { return []string{strconv.Itoa(-i), member(i)} }),
			[]string{"ZRANGE", "0", "-1", "WITHSCORES"},
		},
		{"places", [][]string{{"GEOADD", "13.36", "38.11", "Palermo"}}, []string{"GEOHASH", "Palermo"}},
		{"count of distinct", [][]string{{"PFADD", "a", "b", "c"}}, []string{"PFCOUNT"}},
		{"stream", all("XADD", func(i int) []string { return []string{fmt.Sprintf("%d-1", i+1), "n", member(i)} }), []string{"XRANGE", "-", "+"}},
	}
}

// KindsWritten are values of every type, as they were read back when they had been written.
type KindsWritten struct {
	values map[string]string
	group  string // what the group of a stream has been given and has not acknowledged
}

const groupKey = "kind:stream with a group"

// WriteKinds writes a value of every type that Redis and Valkey have in common.
func (c *Cluster) WriteKinds(t *testing.T) *KindsWritten {
	t.Helper()
	return writeKinds(t, c.Client(t))
}

func writeKinds(t *testing.T, client *witness.Client) *KindsWritten {
	t.Helper()
	w := &KindsWritten{values: map[string]string{}}
	do := func(key, command string, words ...string) {
		if _, err := client.Do(t.Context(), key, append([]string{command}, words...)...); err != nil {
			t.Fatalf("write %s: %v", key, err)
		}
	}
	for _, k := range kinds() {
		key := "kind:" + k.name
		for _, command := range k.write {
			do(key, command[0], append([]string{key}, command[1:]...)...)
		}
		value, err := readKind(t.Context(), client, k)
		if err != nil {
			t.Fatal(err)
		}
		w.values[k.name] = value
	}
	do(groupKey, "XADD", groupKey, "1-1", "n", "1")
	do(groupKey, "XGROUP", "CREATE", groupKey, "readers", "0")
	do(groupKey, "XREADGROUP", "GROUP", "readers", "one", "STREAMS", groupKey, ">")
	var err error
	if w.group, err = pending(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	return w
}

// Verify says which values are not as they were.
func (w *KindsWritten) Verify(ctx context.Context, client *witness.Client) error {
	var errs []error
	for _, k := range kinds() {
		value, err := readKind(ctx, client, k)
		if err != nil {
			errs = append(errs, err)
		} else if value != w.values[k.name] {
			errs = append(errs, fmt.Errorf("the %s is %.200q, not %.200q", k.name, value, w.values[k.name]))
		}
	}
	waits, err := pending(ctx, client)
	if err == nil && waits != w.group {
		err = fmt.Errorf("the group of a stream waits for %s, not %s", waits, w.group)
	}
	return errors.Join(append(errs, err)...)
}

func pending(ctx context.Context, client *witness.Client) (string, error) {
	reply, err := client.Do(ctx, groupKey, "XPENDING", groupKey, "readers")
	return fmt.Sprint(reply), err
}

// readKind is a value as text. What comes in no order is sorted.
func readKind(ctx context.Context, client *witness.Client, k kind) (string, error) {
	key := "kind:" + k.name
	reply, err := client.Do(ctx, key, append([]string{k.read[0], key}, k.read[1:]...)...)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", key, err)
	}
	list, many := reply.([]any)
	if !many || k.read[0] != "SMEMBERS" && k.read[0] != "HGETALL" {
		return fmt.Sprint(reply), nil
	}
	var words []string
	for _, word := range list {
		words = append(words, fmt.Sprint(word))
	}
	slices.Sort(words)
	return fmt.Sprint(words), nil
}
