package redisnode

import (
	"regexp"
	"strconv"
)

// version is the server of the container of redis. The zero value is one that is not known.
type version struct {
	valkey bool
	major  int
}

var versionLine = regexp.MustCompile(`^(Redis|Valkey) server v=(\d+)\.`)

// parseVersion reads what redis-server --version prints: "Valkey server v=9.1.2 sha=00000000:0 malloc=...".
func parseVersion(text string) version {
	found := versionLine.FindStringSubmatch(text)
	if found == nil {
		return version{}
	}
	major, err := strconv.Atoi(found[2])
	if err != nil {
		return version{}
	}
	return version{valkey: found[1] == "Valkey", major: major}
}

// streamsSlots says whether the server gives whole slots to another by itself, as the user that replicates.
func (v version) streamsSlots() bool { return v.valkey && v.major >= 9 }
