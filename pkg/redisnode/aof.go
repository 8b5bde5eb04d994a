package redisnode

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// dropUnreadable sets an append-only file aside that redis cannot load, of a node that gets its data from another all
// the same, and says whether there is data. Redis would end in a loop: a disk that was full leaves a hole in the file
// (seen with Redis 8.0), and redis mends only an end that is missing. Where this node may have the only copy, the file
// stays: what to give up is for a person to say.
//
// To read it takes time: that is only done when redis was let start before, and has not served since.
func (g *gate) dropUnreadable(ctx context.Context, p past, found map[cluster.NodeID]peer) (hasData bool, err error) {
	if !p.hasData || g.read().starts < 2 || !copiedElsewhere(p.table, found) {
		return p.hasData, nil
	}
	g.wait("redis has ended at its last start: reading its append-only file")
	dir := filepath.Join(g.opts.DataDir, directive(p.conf, "appenddirname", "appendonlydir"))
	unreadable := checkLogs(ctx, dir, directive(p.conf, "appendfilename", "appendonly.aof"))
	if unreadable == nil || ctx.Err() != nil {
		return true, ctx.Err()
	}
	if err = os.RemoveAll(dir + ".corrupt"); err != nil { // of the last time: a volume has no room for many
		return true, fmt.Errorf("set aside: %w", err)
	}
	aside, err := setAside(dir)
	if err != nil {
		return true, err
	}
	g.note("the append-only file could not be loaded (%v) and is set aside as %s: the data are copied from another node",
		unreadable, aside)
	return false, nil
}

// copiedElsewhere says that another node is in charge of what this one had: its own primary, or a former replica. It is
// pure.
func copiedElsewhere(table cluster.Table, found map[cluster.NodeID]peer) bool {
	self, _ := table.Self()
	if !self.Slots.IsEmpty() {
		return nextCopy(table, found).verdict == copyInCharge
	}
	primary, answers := found[self.PrimaryID]
	return answers && primary.Status.Role == rolePrimary && primary.Status.SlotsOwned > 0
}

// checkLogs is what is wrong with the files of commands that a manifest names; nil where nothing is known to be. A
// snapshot among them is not looked into.
func checkLogs(ctx context.Context, dir, name string) error {
	manifest, err := os.ReadFile(filepath.Join(dir, name+".manifest"))
	if err != nil {
		glog.V(4).Infof("append-only file: %v", err)
		return nil
	}
	for line := range strings.Lines(string(manifest)) {
		words := strings.Fields(line) // file NAME seq 1 type i
		if len(words) < 6 || words[0] != "file" || words[5] != "i" {
			continue
		}
		file, err := os.Open(filepath.Join(dir, words[1]))
		if err != nil {
			glog.V(4).Infof("append-only file: %v", err)
			continue
		}
		err = errors.Join(walkLog(ctx, file), file.Close())
		if err != nil {
			return fmt.Errorf("%s: %w", words[1], err)
		}
	}
	return nil
}

// logBuffer is longer than any line of an append-only file: what commands are made of is not read by lines.
const logBuffer = 1 << 16

var errNoCommand = errors.New("not a command")

// walkLog reads commands to the end, or to where there is something else. An end in the middle of a command is what
// redis mends by itself.
func walkLog(ctx context.Context, file io.Reader) error {
	r := bufio.NewReaderSize(file, logBuffer)
	for commands := 0; ctx.Err() == nil; commands++ {
		err := skipCommand(r)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("after %d commands: %w", commands, err)
		}
	}
	return ctx.Err()
}

// skipCommand reads a command, or the time that stands between two.
func skipCommand(r *bufio.Reader) error {
	if first, err := r.Peek(1); err == nil && first[0] == '#' {
		_, err = r.ReadSlice('\n')
		return err
	}
	words, err := readCount(r, '*')
	for ; err == nil && words > 0; words-- {
		var length int
		if length, err = readCount(r, '$'); err != nil {
			break
		}
		if _, err = r.Discard(length); err != nil {
			break
		}
		err = skipLineEnd(r)
	}
	return err
}

// readCount reads a line like "*3" or "$11".
func readCount(r *bufio.Reader, kind byte) (int, error) {
	line, err := r.ReadSlice('\n')
	if len(line) > 0 && line[0] != kind {
		return 0, errNoCommand
	}
	if errors.Is(err, bufio.ErrBufferFull) {
		return 0, errNoCommand
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(string(bytes.TrimSpace(line[1:])))
	if err != nil || n < 0 {
		return 0, errNoCommand
	}
	return n, nil
}

func skipLineEnd(r *bufio.Reader) error {
	end, err := r.Peek(2)
	if err == nil && string(end) != "\r\n" {
		return errNoCommand
	}
	if err == nil {
		_, err = r.Discard(2)
	}
	return err
}
