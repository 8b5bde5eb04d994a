package redisnode

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// hasDataset says whether redis will find data to load, as it is configured. With appendonly on it looks at the
// append-only files and at nothing else, and with appendonly off at the snapshot and at nothing else.
func hasDataset(conf, dataDir string) bool {
	if !appendsOnly(conf) {
		return hasSnapshot(conf, dataDir)
	}
	return hasAppended(conf, dataDir)
}

// hasOnlySnapshot says that redis would pass over what there is: appendonly was turned on while the node was down, or
// it died before its first append-only file was complete.
func hasOnlySnapshot(conf, dataDir string) bool {
	return appendsOnly(conf) && !hasAppended(conf, dataDir) && hasSnapshot(conf, dataDir)
}

func appendsOnly(conf string) bool {
	return strings.EqualFold(directive(conf, "appendonly", "no"), "yes")
}

func hasSnapshot(conf, dataDir string) bool {
	return isFilled(filepath.Join(dataDir, directive(conf, "dbfilename", "dump.rdb")))
}

func hasAppended(conf, dataDir string) bool {
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
		// The manifest alone is no data, and what is being written for the first time is in no manifest yet.
		data := !strings.HasSuffix(e.Name(), ".manifest") && !strings.HasPrefix(e.Name(), "temp-")
		if data && isFilled(filepath.Join(dir, e.Name())) {
			return true
		}
	}
	return false
}

func isFilled(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Type()&fs.ModeType == 0 && info.Size() > 0
}
