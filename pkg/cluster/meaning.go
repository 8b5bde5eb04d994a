package cluster

import (
	"slices"
	"strconv"
	"strings"
)

const (
	bufferLimits = "client-output-buffer-limit"
	keyspace     = "notify-keyspace-events"
)

// SameValue says whether two values of a directive mean the same to a server: 100mb and 104857600, yes and YES, KEA
// and AKE.
func SameValue(name, a, b string) bool {
	return a == b || slices.Equal(meaning(name, a), meaning(name, b))
}

// meaning is a value in words that are the same for all ways to write it.
func meaning(name, value string) []string {
	if verbatim(name) {
		return []string{value}
	}
	if name == keyspace {
		return events(value)
	}
	words := strings.Fields(value)
	for i, word := range words {
		words[i] = plain(word)
	}
	switch {
	case name == "save":
		return grouped(words, 2)
	case name == bufferLimits:
		return grouped(classNames(words), 4)
	case strings.HasPrefix(name, "shutdown-on-"):
		slices.Sort(words) // flags, in any order
	}
	return words
}

// verbatim is true for directives whose value is a text of the user's, of which every letter counts.
func verbatim(name string) bool {
	switch name {
	case "proc-title-template", "syslog-ident", "locale-collate", "availability-zone", "dbfilename", "appendfilename",
		"appenddirname":
		return true
	}
	return strings.HasPrefix(name, "tls-") || strings.HasPrefix(name, "cluster-announce-") ||
		strings.HasSuffix(name, "-cpulist") || strings.HasSuffix(name, "_cpulist")
}

// plain is a word without its unit and in lower case: servers read units as bytes, and words in any case.
func plain(word string) string {
	lower := strings.ToLower(word)
	number, unit := lower, int64(1)
	for _, u := range []struct {
		name  string
		bytes int64
	}{
		{"kb", 1 << 10},
		{"mb", 1 << 20},
		{"gb", 1 << 30},
		{"k", 1000},
		{"m", 1000 * 1000},
		{"g", 1000 * 1000 * 1000},
		{"b", 1},
	} {
		if cut, found := strings.CutSuffix(lower, u.name); found {
			number, unit = cut, u.bytes
			break
		}
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil && n <= (1<<63-1)/unit && n >= -(1<<63-1)/unit {
		return strconv.FormatInt(n*unit, 10)
	}
	if f, err := strconv.ParseFloat(lower, 64); err == nil {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return lower
}

// Bytes is an amount of memory as servers read it, 100mb for example.
func Bytes(value string) (int64, bool) {
	n, err := strconv.ParseInt(plain(strings.TrimSpace(value)), 10, 64)
	return n, err == nil
}

// events are the flags of notify-keyspace-events, each as a letter, sorted. A stands for most of them.
func events(value string) []string {
	letters := strings.Split(strings.ReplaceAll(value, "A", "g$lshzxetd"), "")
	slices.Sort(letters)
	return slices.Compact(letters)
}

// grouped is words by so many, sorted: in which order groups are said does not matter.
func grouped(words []string, size int) []string {
	var groups []string
	for group := range slices.Chunk(words, size) {
		groups = append(groups, strings.Join(group, " "))
	}
	slices.Sort(groups)
	return groups
}

// classNames gives the class of replicas the name that it has by now.
func classNames(words []string) []string {
	for i, word := range words {
		if word == "slave" {
			words[i] = "replica"
		}
	}
	return words
}

// completed is the value of a setting with what it leaves out: client-output-buffer-limit is wanted for some classes of
// clients, and the others are to be as the server has them by itself.
func completed(s Setting, byItself string) string {
	if s.Name != bufferLimits {
		return s.Value
	}
	value, words := s.Value, classNames(strings.Fields(s.Value))
	for class := range slices.Chunk(strings.Fields(byItself), 4) {
		if name := classNames(slices.Clone(class[:1]))[0]; len(words)%4 == 0 && !slices.Contains(words, name) {
			value += " " + strings.Join(class, " ")
		}
	}
	return strings.TrimSpace(value)
}
