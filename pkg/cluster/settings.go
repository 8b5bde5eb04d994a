package cluster

import (
	"maps"
	"slices"
	"strings"
)

// Setting is a directive of redis.conf and its value, as CONFIG SET takes it.
type Setting struct{ Name, Value string }

// Drift is a directive that a node does not run with as it should.
type Drift struct {
	Name string
	// Has is what the node runs with, in its own words; "" also when it does not know the directive.
	Has string
	// Want is what it should run with.
	Want string
}

// Drifts compares, by meaning, what a node runs with against what is wanted. What is not wanted at all is to be as the
// server has it by itself; where that is not known, nothing is said of it. Sorted by name.
func Drifts(live map[string]string, wanted []Setting, defaults map[string]string) []Drift {
	var drifts []Drift
	named := map[string]bool{}
	for _, s := range wanted {
		named[oneName(s.Name)] = true
		want := completed(s, defaults[s.Name])
		if has, known := live[s.Name]; !known || !SameValue(s.Name, has, want) {
			drifts = append(drifts, Drift{Name: s.Name, Has: has, Want: want})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(defaults)) {
		has, known := live[name]
		if !known || named[oneName(name)] || SameValue(name, has, defaults[name]) {
			continue
		}
		if other := oneName(name); other != name && hasName(defaults, other) {
			continue // the same directive under its older name
		}
		drifts = append(drifts, Drift{Name: name, Has: has, Want: defaults[name]})
	}
	slices.SortFunc(drifts, func(a, b Drift) int { return strings.Compare(a.Name, b.Name) })
	return drifts
}

// Kept are the directives that a node was given before, that are not wanted any more, and that it still runs with.
// Sorted by name.
func Kept(live map[string]string, wanted []Setting, before map[string]string) []string {
	named := map[string]bool{}
	for _, s := range wanted {
		named[oneName(s.Name)] = true
	}
	var kept []string
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if has, known := live[name]; known && !named[oneName(name)] && SameValue(name, has, before[name]) {
			kept = append(kept, name)
		}
	}
	return kept
}

func hasName(values map[string]string, name string) bool {
	_, ok := values[name]
	return ok
}

// newerNames are how servers have renamed directives: they answer to both names, and list both.
var newerNames = strings.NewReplacer(
	"slave", "replica", "ziplist", "listpack", "lua-time-limit", "busy-reply-threshold",
	"masterauth", "primaryauth", "masteruser", "primaryuser",
	"slowlog-log-slower-than", "commandlog-execution-slower-than",
	"slowlog-max-len", "commandlog-slow-execution-max-len",
)

// oneName is the same for all names of a directive.
func oneName(name string) string { return newerNames.Replace(name) }
