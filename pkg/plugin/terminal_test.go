package plugin

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestTerminalOf(t *testing.T) {
	t.Parallel()
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			if i := slices.Index(pairs, name); i >= 0 {
				return pairs[i+1]
			}
			return ""
		}
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = reader.Close(), writer.Close() })
	for name, out := range map[string]io.Writer{"buffer": &bytes.Buffer{}, "pipe": writer} {
		got := terminalOf(out, env())
		if width, height := got.size(); got.inPlace || got.colours || width != 0 || height != 0 {
			t.Errorf("%s: %+v of %d×%d", name, got, width, height)
		}
	}
	tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("there are no terminals here:", err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	for _, c := range []struct {
		env              func(string) string
		inPlace, colours bool
	}{
		{env(), true, true},
		{env("NO_COLOR", "1"), true, false},
		{env("NO_COLOR", ""), true, true},
		{env("TERM", "dumb"), false, false},
		{env("TERM", "xterm"), true, true},
	} {
		if got := terminalOf(tty, c.env); got.inPlace != c.inPlace || got.colours != c.colours {
			t.Errorf("%+v, want %+v", got, c)
		}
	}
}

func TestCells(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"": 0, "demo-0": 6, "→ ├─ …": 6, "\x1b[31mred\x1b[0m": 3, "漢字": 4, "é": 1, "e\u0301": 1, "🔑": 2, "ｗ": 2,
	} {
		if got := cells(text); got != want {
			t.Errorf("cells(%q) = %d, want %d", text, got, want)
		}
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line  string
		width int
		want  string
	}{
		{"abcdef", 0, "abcdef"},
		{"abcdef", -1, "abcdef"},
		{"abcdef", 6, "abcdef"},
		{"abcdef", 5, "abcd…"},
		{"abcdef", 1, "…"},
		{"漢字漢字", 6, "漢字…"},
		{"漢字漢字", 7, "漢字漢字"[:9] + "…"},
		{"ab\x1b[31mcdef\x1b[0m", 4, "ab\x1b[31mc…\x1b[0m"},
		{"ab\x1b[31mcd\x1b[0m", 4, "ab\x1b[31mcd\x1b[0m"},
	} {
		if got := clip(c.line, c.width); got != c.want {
			t.Errorf("clip(%q, %d) = %q, want %q", c.line, c.width, got, c.want)
		}
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		width int
		want  []string
	}{
		{"one two three", 0, []string{"one two three"}},
		{"one two three", 13, []string{"one two three"}},
		{"one two three", 12, []string{"one two", "  three"}},
		{"one two three", 8, []string{"one two", "  three"}},
		{"one two three", 7, []string{"one two", "  three"}},
		{"one two three", 5, []string{"one", "  two", "  thr", "  ee"}},
		{"averylongword two", 7, []string{"averylo", "  ngwor", "  d two"}},
		{"a averylongword", 7, []string{"a", "  avery", "  longw", "  ord"}},
		{" 1. one two", 7, []string{" 1. one", "  two"}},
		{"漢字漢字漢字", 5, []string{"漢字", "  漢", "  字", "  漢", "  字"}},
		{"one two", 3, []string{"one two"}},
		{"", 5, []string{""}},
	} {
		if got := wrap(c.text, c.width, 2); !slices.Equal(got, c.want) {
			t.Errorf("wrap(%q, %d) = %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

// emulator is a terminal that understands what a canvas writes, and nothing else.
type emulator struct {
	width, height int
	lines         [][]rune
	row, column   int
	scrolled      int
}

var sequences = regexp.MustCompile(`^\x1b\[([0-9;]*)([A-Za-z])`)

func (e *emulator) write(t *testing.T, text string) {
	t.Helper()
	for len(text) > 0 {
		if words := sequences.FindStringSubmatch(text); words != nil {
			e.obey(t, words[1], words[2])
			text = text[len(words[0]):]
			continue
		}
		r := []rune(text)[0]
		text = text[len(string(r)):]
		switch r {
		case '\r':
			e.column = 0
		case '\n':
			e.column = 0
			e.down()
		case escape:
			t.Fatalf("a sequence that nobody knows before %q", text)
		default:
			if e.column == e.width {
				e.column = 0
				e.down()
			}
			e.line()[e.column] = r
			e.column++
		}
	}
}

func (e *emulator) obey(t *testing.T, number, what string) {
	t.Helper()
	n, err := strconv.Atoi(number)
	switch {
	case what == "m":
	case what == "A" && err == nil:
		if e.row -= n; e.row < 0 {
			t.Fatalf("%d lines up from line %d", n, e.row+n)
		}
	case what == "K" && number == "":
		copy(e.line()[e.column:], e.blank())
	case what == "J" && number == "":
		copy(e.line()[e.column:], e.blank())
		e.lines = e.lines[:e.row+1]
	default:
		t.Fatalf("ESC [ %s %s is not known", number, what)
	}
}

func (e *emulator) blank() []rune { return []rune(strings.Repeat(" ", e.width)) }

func (e *emulator) line() []rune {
	for len(e.lines) <= e.row {
		e.lines = append(e.lines, e.blank())
	}
	return e.lines[e.row]
}

func (e *emulator) down() {
	e.row++
	if e.row == e.height {
		e.row--
		e.line()
		e.lines = append(e.lines[1:], e.blank())
		e.scrolled++
	}
	e.line()
}

func (e *emulator) String() string {
	var b strings.Builder
	for _, l := range e.lines {
		b.WriteString(strings.TrimRight(string(l), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// Whatever was drawn before, the screen shows the last text under what was there first, and never scrolls away from it.
func TestCanvasDrawsOverItself(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		e := &emulator{width: 10 + random.IntN(60), height: 8 + random.IntN(20)}
		e.write(t, "$ before\r\n")
		var out bytes.Buffer
		c := &canvas{out: &out, term: terminal{inPlace: true, size: func() (int, int) { return e.width, e.height }}}
		for range 5 {
			var text strings.Builder
			for i := range 1 + random.IntN(e.height-3) {
				word := strings.Repeat(string(rune('a'+i)), random.IntN(e.width-1))
				text.WriteString(paint(random.IntN(2) == 0).with(green, word) + "\n")
			}
			out.Reset()
			if err := c.draw(text.String()); err != nil {
				t.Fatal(err)
			}
			e.write(t, out.String())
			want := strings.TrimRight("$ before\n"+plain(text.String()), "\n") + "\n"
			if e.scrolled > 0 || e.String() != want {
				t.Fatalf("round %d, %d×%d, scrolled %d: got\n%s\nwant\n%s",
					round, e.width, e.height, e.scrolled, e, want)
			}
		}
	}
}

func TestCanvasCutsWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	e := &emulator{width: 20, height: 6}
	var out bytes.Buffer
	c := &canvas{out: &out, term: terminal{inPlace: true, size: func() (int, int) { return e.width, e.height }}}
	var text strings.Builder
	for i := range 30 {
		fmt.Fprintf(&text, "line %d is much longer than the screen\n", i)
	}
	for range 3 {
		out.Reset()
		if err := c.draw(text.String()); err != nil {
			t.Fatal(err)
		}
		e.write(t, out.String())
	}
	want := "line 0 is much lon…\nline 1 is much lon…\nline 2 is much lon…\nline 3 is much lon…\n… and 26 more lines\n"
	if e.String() != want || e.scrolled != 0 {
		t.Errorf("scrolled %d: got\n%s\nwant\n%s", e.scrolled, e, want)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestCanvasSaysThatItCannotDraw(t *testing.T) {
	t.Parallel()
	c := &canvas{out: brokenPipe{}, term: terminalOf(nil, os.Getenv)}
	if err := c.draw("x\n"); err == nil {
		t.Error("nobody sees what is drawn, and nobody is told")
	}
}

var inks = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// plain is a text without its colours.
func plain(text string) string { return inks.ReplaceAllString(text, "") }
