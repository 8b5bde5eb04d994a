package v1

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// What is refused by the API server is what is left alone on the nodes.
func TestReserved_IsWhatTheRulesRefuse(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("config.go")
	if err != nil {
		t.Fatal(err)
	}
	var refused []string
	for _, match := range regexp.MustCompile(`rule="!\('([a-z-]+)' in self\)"`).FindAllStringSubmatch(string(source), -1) {
		refused = append(refused, match[1])
	}
	if slices.Sort(refused); !slices.Equal(refused, reserved) {
		t.Errorf("refused are %q\nreserved are %q", refused, reserved)
	}
	for name, want := range map[string]bool{"dir": true, "slave-announce-ip": true, "maxmemory": false} {
		if Reserved(name) != want {
			t.Errorf("Reserved(%s) is not %v", name, want)
		}
	}
}
