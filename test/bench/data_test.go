//go:build bench

package bench

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// dataset is keys and what is in them. Both follow from a key's number, so that nothing has to be remembered, and what
// the probe writes is what is there already: the digest of the whole stays what it was.
type dataset struct {
	Kind  string
	Count int
}

// The kinds of data.
const (
	small       = "small"
	large       = "large"
	collections = "collections"
	empty       = "empty"
)

// newDataset is the data of a kind at this scale: 1 is what the issue asks for.
func newDataset(kind string, scale float64) dataset {
	full := map[string]int{small: 1_000_000, large: 20_000, collections: 10_000, empty: 0}
	return dataset{Kind: kind, Count: int(float64(full[kind]) * scale)}
}

// String is how people call it.
func (d dataset) String() string {
	switch d.Kind {
	case small:
		return fmt.Sprintf("%d keys of 100 B", d.Count)
	case large:
		return fmt.Sprintf("%d keys of 10 KB", d.Count)
	case collections:
		return fmt.Sprintf("%d hashes (100 × 100 B), sorted sets (200 members), lists, sets (100 × 100 B each) and "+
			"streams (50 × 100 B)", d.Count)
	}
	return "no keys"
}

// shapes of collections, in turn.
const (
	aHash = iota
	aSortedSet
	aList
	aSet
	aStream
	shapes
)

func (d dataset) key(i int) string { return "key:" + strconv.Itoa(i) }

func (d dataset) value(i int) string {
	if d.Kind == large {
		return text(i, 10_000)
	}
	return text(i, 100)
}

// create are the words of the command that makes a key, or of several that do.
func (d dataset) create(i int) [][]string {
	if d.Kind != collections {
		return [][]string{{"SET", d.key(i), d.value(i)}}
	}
	var words []string
	switch i % shapes {
	case aHash:
		words = []string{"HSET", d.key(i)}
		for m := range 100 {
			words = append(words, field(m), text(i+m, 100))
		}
	case aSortedSet:
		words = []string{"ZADD", d.key(i)}
		for m := range 200 {
			words = append(words, strconv.Itoa(m), field(m))
		}
	case aList:
		words = []string{"RPUSH", d.key(i)}
		for m := range 100 {
			words = append(words, text(i+m, 100))
		}
	case aSet:
		words = []string{"SADD", d.key(i)}
		for m := range 100 {
			words = append(words, text(i+m, 100))
		}
	case aStream:
		var many [][]string
		for m := range 50 {
			many = append(many, []string{"XADD", d.key(i), "1-" + strconv.Itoa(m+1), "f", text(i+m, 100)})
		}
		return many
	}
	return [][]string{words}
}

func field(m int) string { return "field:" + strconv.Itoa(m) }

// request is something the probe asks, and what the answer has to be.
type request struct {
	key    string
	words  []string
	answer string
	null   bool
}

// any is a request about any key, half of them writes, each of which writes what is there already.
func (d dataset) any(random *rand.Rand) request {
	if d.Count == 0 {
		key := "nothing:" + strconv.Itoa(random.IntN(1_000_000))
		return request{key: key, words: []string{"GET", key}, null: true}
	}
	i, write := random.IntN(d.Count), random.IntN(2) == 0
	key := d.key(i)
	of := func(answer string, words ...string) request { return request{key: key, words: words, answer: answer} }
	if d.Kind == collections {
		return d.anyOf(i, write, of)
	}
	if write {
		return of("OK", "SET", key, d.value(i))
	}
	return of(d.value(i), "GET", key)
}

func (d dataset) anyOf(i int, write bool, of func(answer string, words ...string) request) request {
	key, m := d.key(i), i%97
	switch {
	case i%shapes == aHash && write:
		return of("0", "HSET", key, field(m), text(i+m, 100))
	case i%shapes == aHash:
		return of(text(i+m, 100), "HGET", key, field(m))
	case i%shapes == aSortedSet && write:
		return of("0", "ZADD", key, strconv.Itoa(m), field(m))
	case i%shapes == aSortedSet:
		return of(strconv.Itoa(m), "ZSCORE", key, field(m))
	case i%shapes == aList && write:
		return of("OK", "LSET", key, strconv.Itoa(m), text(i+m, 100))
	case i%shapes == aList:
		return of(text(i+m, 100), "LINDEX", key, strconv.Itoa(m))
	case i%shapes == aSet && write:
		return of("0", "SADD", key, text(i+m, 100))
	case i%shapes == aSet:
		return of("1", "SISMEMBER", key, text(i+m, 100))
	}
	return of("50", "XLEN", key) // nothing that is written to a stream leaves it as it was
}

// pattern is what records look like: the same words again and again, with something new between them.
const pattern = `{"id":"................","kind":"customer","state":"active","region":"eu-west-1"},`

// text is size bytes that follow from a seed. Many of them can be compressed to about a third, as records can.
func text(seed, size int) string {
	var b strings.Builder
	b.Grow(size + len(pattern))
	state := uint64(seed)*0x9e3779b97f4a7c15 + 1
	for b.Len() < size {
		rest := pattern
		for {
			before, after, found := strings.Cut(rest, "................")
			b.WriteString(before)
			if !found {
				break
			}
			state ^= state << 13
			state ^= state >> 7
			state ^= state << 17
			writeHex(&b, state)
			rest = after
		}
	}
	return b.String()[:size]
}

// writeHex writes 16 digits: fmt would be what loading a million keys spends its time with.
func writeHex(b *strings.Builder, n uint64) {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		b.WriteByte(digits[n>>shift&15])
	}
}
