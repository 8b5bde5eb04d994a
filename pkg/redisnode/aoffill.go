package redisnode

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// widestHole bounds a hole that may be filled: a page of a file. What redis takes back of a write that a full disk cut
// short ends with one; a disk that has lost what was written has lost whole blocks, and commands with them.
const widestHole = 4096

// remarkLength is as long as a line is that fills a hole. Redis reads up to a kilobyte of a line that is not a command.
const remarkLength = 64

// fillHoles has redis read over holes in which no command was: between two, it reads over lines that begin with # (the
// times of aof-timestamp-enabled, Redis 7.0). A hole at the end is cut off, as redis does with a command that is not
// all there. Nothing else in the file changes, and no room is needed. Where anything else is wrong nothing is done.
func (g *gate) fillHoles(damaged []damage) error {
	for _, d := range damaged {
		if !d.fillable() {
			return nil
		}
	}
	for _, d := range damaged {
		if err := d.fill(); err != nil {
			return fmt.Errorf("fill a hole in the append-only file: %w", err)
		}
		g.note("the append-only file had holes without commands (%v), as a full disk or lost power leave: they are filled", d)
	}
	return nil
}

// fillable says that there are only holes that cost nothing. A remark takes two bytes at least.
func (d damage) fillable() bool {
	if d.other != nil {
		return false
	}
	for _, h := range d.holes {
		if last := h.at+h.length == d.size; !last && (h.length < 2 || h.length >= widestHole) {
			return false
		}
	}
	return true
}

// fill leaves the file as it was when it is cut short at any moment, or with some of its holes filled.
func (d damage) fill() (err error) {
	file, err := os.OpenFile(d.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for _, h := range d.holes {
		if h.at+h.length == d.size {
			err = file.Truncate(h.at)
		} else {
			_, err = file.WriteAt([]byte(remarks(int(h.length))), h.at)
		}
		if err != nil {
			return err
		}
	}
	return file.Sync()
}

// remarks are lines of so many bytes in all, two at least, that redis reads over.
func remarks(length int) string {
	var b strings.Builder
	for length > 0 {
		n := min(length, remarkLength)
		if length-n == 1 {
			n--
		}
		b.WriteString("#" + strings.Repeat("-", n-2) + "\n")
		length -= n
	}
	return b.String()
}
