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
)

// hole is a run of bytes that are zero where a command ought to begin, or where a file ends.
type hole struct{ at, length int64 }

// damage is what keeps redis from loading a file of commands.
type damage struct {
	path  string
	size  int64
	holes []hole
	other error // what is wrong with it besides
}

func (d damage) String() string {
	name := filepath.Base(d.path)
	if d.other != nil {
		return fmt.Sprintf("%s: %v", name, d.other)
	}
	return fmt.Sprintf("%s: %d bytes of zero at %d", name, d.holes[0].length, d.holes[0].at)
}

// damagedLogs are the files of commands, of those that a manifest names, that redis cannot load. A snapshot among them
// is not looked into, and nothing is said of what cannot be read.
func damagedLogs(ctx context.Context, dir, name string) ([]damage, error) {
	manifest, err := os.ReadFile(filepath.Join(dir, name+".manifest"))
	if err != nil {
		glog.V(4).Infof("append-only file: %v", err)
		return nil, nil
	}
	var out []damage
	for line := range strings.Lines(string(manifest)) {
		words := strings.Fields(line) // file NAME seq 1 type i
		if len(words) < 6 || words[0] != "file" || words[5] != "i" {
			continue
		}
		found, err := readLog(ctx, filepath.Join(dir, words[1]))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			glog.V(4).Infof("append-only file: %v", err)
			continue
		}
		if len(found.holes) > 0 || found.other != nil {
			out = append(out, found)
		}
	}
	return out, nil
}

// readLog reads a file of commands.
func readLog(ctx context.Context, path string) (found damage, err error) {
	file, err := os.Open(path)
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return found, err
	}
	end, err := endOfText(file, info.Size())
	if err != nil {
		return found, err
	}
	found = damage{path: path, size: info.Size()}
	found.holes, found.other = walkLog(ctx, io.NewSectionReader(file, 0, end))
	if end < info.Size() {
		found.holes = append(found.holes, hole{end, info.Size() - end})
	}
	return found, nil
}

// endOfText is where the zeros begin that a file ends with; its size when it ends with something else.
func endOfText(file io.ReaderAt, size int64) (int64, error) {
	buffer := make([]byte, logBuffer)
	for end := size; end > 0; {
		part := buffer[:min(end, logBuffer)]
		if _, err := file.ReadAt(part, end-int64(len(part))); err != nil {
			return 0, err
		}
		text := len(bytes.TrimRight(part, "\x00"))
		end -= int64(len(part) - text)
		if text > 0 {
			return end, nil
		}
	}
	return 0, nil
}

// logBuffer is longer than any line of an append-only file: what commands are made of is not read by lines.
const logBuffer = 1 << 16

var errNoCommand = errors.New("not a command")

// walkLog reads commands to the end, or to where there is something else, and gives the holes between them. An end in
// the middle of a command is what redis mends by itself.
func walkLog(ctx context.Context, file io.Reader) (holes []hole, err error) {
	r := &logReader{r: bufio.NewReaderSize(file, logBuffer)}
	for commands := 0; ctx.Err() == nil; commands++ {
		begun := r.at
		err := r.skipZeros()
		if r.at > begun {
			holes = append(holes, hole{begun, r.at - begun})
		}
		if err == nil {
			err = r.skipCommand()
		}
		switch {
		case errors.Is(err, io.EOF):
			return holes, nil
		case err != nil:
			return holes, fmt.Errorf("after %d commands: %w", commands, err)
		}
	}
	return holes, ctx.Err()
}

// logReader knows where it is.
type logReader struct {
	r  *bufio.Reader
	at int64
}

func (l *logReader) skipZeros() error {
	for {
		first, err := l.r.Peek(1)
		if err != nil || first[0] != 0 {
			return err
		}
		if err = l.discard(1); err != nil {
			return err
		}
	}
}

// skipCommand reads a command, or the time that stands between two.
func (l *logReader) skipCommand() error {
	if first, err := l.r.Peek(1); err == nil && first[0] == '#' {
		_, err = l.line()
		return err
	}
	words, err := l.count('*')
	for ; err == nil && words > 0; words-- {
		var length int
		if length, err = l.count('$'); err != nil {
			break
		}
		if err = l.discard(length); err != nil {
			break
		}
		err = l.lineEnd()
	}
	return err
}

// count reads a line like "*3" or "$11".
func (l *logReader) count(kind byte) (int, error) {
	line, err := l.line()
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

func (l *logReader) line() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	l.at += int64(len(line))
	return line, err
}

func (l *logReader) lineEnd() error {
	end, err := l.r.Peek(2)
	if err == nil && string(end) != "\r\n" {
		return errNoCommand
	}
	if err == nil {
		err = l.discard(2)
	}
	return err
}

func (l *logReader) discard(n int) error {
	n, err := l.r.Discard(n)
	l.at += int64(n)
	return err
}
