package cluster

import "strings"

// formats are the versions of the data format (RDB) that servers write, by name and the first two numbers of their
// version. Each server reads its own and all older ones.
var formats = map[string]int{
	"redis 7.0": 10, "redis 7.2": 11, "redis 7.4": 12, "redis 8.0": 12, "redis 8.6": 13,
	"valkey 7.2": 11, "valkey 8.0": 11, "valkey 8.1": 11, "valkey 9.0": valkeyFormat, "valkey 9.1": valkeyFormat,
}

// From Valkey 9 on formats have numbers that Redis will not reach. What Redis writes after the two parted it refuses.
const (
	valkeyFormat = 80
	lastShared   = 11
)

// CannotRead says that a server of one version is known not to read what one of the other writes, so that it can be no
// replica of it: "redis 7.0.15" of "redis 8.0.2". Of a version that is not known it does not say so.
func CannotRead(reader, writer string) bool {
	reads, writes := formatOf(reader), formatOf(writer)
	if reads == 0 || writes == 0 {
		return false
	}
	return writes > reads || reads >= valkeyFormat && writes > lastShared && writes < valkeyFormat
}

func formatOf(version string) int {
	numbers := strings.SplitN(version, ".", 3)
	return formats[strings.Join(numbers[:min(2, len(numbers))], ".")]
}
