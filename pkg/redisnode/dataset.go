package redisnode

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// hasDataset says whether redis will find data to load. With appendonly on it looks at the append-only
// files and at nothing else, and with appendonly off at the snapshot and at nothing else.
func hasDataset(conf, dataDir string) bool {
	if !strings.EqualFold(directive(conf, "appendonly", "no"), "yes") {
		return isFilled(filepath.Join(dataDir, directive(conf, "dbfilename", "dump.rdb")))
	}
	name := directive(conf, "appendfilename", "appendonly.aof")
	if isFilled(filepath.Join(dataDir, name)) { // of a server older than 7.0, which is upgraded
		return true
	}
	dir := filepath.Join(dataDir, directive(conf, "appenddirname", "appendonlydir"))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		// The manifest alone is no data.
		if !strings.HasSuffix(e.Name(), ".manifest") && isFilled(filepath.Join(dir, e.Name())) {
			return true
		}
	}
	return false
}

func isFilled(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Type()&fs.ModeType == 0 && info.Size() > 0
}
