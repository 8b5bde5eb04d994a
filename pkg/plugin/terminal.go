package plugin

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// terminal is what is known of the place that is printed to.
type terminal struct {
	// inPlace says that what was printed can be drawn over.
	inPlace bool
	colours bool
	// size is the number of columns and lines; 0 where there is no limit. It is asked again at each drawing.
	size func() (width, height int)
}

// terminalOf looks at an output, and at what the environment says of it.
func terminalOf(out io.Writer, env func(string) string) terminal {
	none := terminal{size: func() (int, int) { return 0, 0 }}
	file, ok := out.(*os.File)
	if !ok {
		return none
	}
	fd := int(file.Fd())
	if !term.IsTerminal(fd) || env("TERM") == "dumb" {
		return none
	}
	return terminal{inPlace: true, colours: env("NO_COLOR") == "", size: func() (int, int) {
		width, height, err := term.GetSize(fd)
		if err != nil {
			return 0, 0
		}
		return width, height
	}}
}

// escape begins what a terminal obeys.
const escape = '\x1b'

// ink is a colour of text.
type ink string

// The inks, as the numbers of ECMA-48.
const (
	bold   ink = "1"
	faint  ink = "2"
	red    ink = "31"
	green  ink = "32"
	yellow ink = "33"
)

// paint colours text, or does not.
type paint bool

func (p paint) with(i ink, text string) string {
	if !p || text == "" {
		return text
	}
	return fmt.Sprintf("\x1b[%sm%s\x1b[0m", i, text)
}

// cells is the number of columns that a text takes.
func cells(text string) int {
	n, obeyed := 0, false
	for _, r := range text {
		switch {
		case r == escape:
			obeyed = true
		case obeyed:
			obeyed = r != 'm'
		default:
			n += runeCells(r)
		}
	}
	return n
}

// wideRunes take two columns: the writing of East Asia, and pictures.
var wideRunes = [][2]rune{
	{0x1100, 0x115f},
	{0x2e80, 0xa4cf},
	{0xac00, 0xd7a3},
	{0xf900, 0xfaff},
	{0xfe30, 0xfe6f},
	{0xff00, 0xff60},
	{0xffe0, 0xffe6},
	{0x1f000, 0x1faff},
	{0x20000, 0x3fffd},
}

func runeCells(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	if slices.ContainsFunc(wideRunes, func(w [2]rune) bool { return w[0] <= r && r <= w[1] }) {
		return 2
	}
	return 1
}

// clip is a line that takes no more than so many columns; 0: as many as it likes.
func clip(line string, width int) string {
	if width <= 0 || cells(line) <= width {
		return line
	}
	var b strings.Builder
	n, obeyed, coloured := 0, false, false
	for _, r := range line {
		switch {
		case r == escape:
			obeyed, coloured = true, true
		case obeyed:
			obeyed = r != 'm'
		case n+runeCells(r) > width-1:
			b.WriteRune('…')
			if coloured {
				b.WriteString("\x1b[0m")
			}
			return b.String()
		default:
			n += runeCells(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// wrap breaks a text between words into lines of no more than so many columns, those after the first one indented.
// Only a word that is longer than a line is broken itself.
func wrap(text string, width, indent int) []string {
	if width <= indent+1 || cells(text) <= width {
		return []string{text}
	}
	pad := strings.Repeat(" ", indent)
	words := strings.Split(text, " ")
	var lines []string
	line := words[0]
	for _, word := range words[1:] {
		lines, line = breakUp(lines, line, pad, width)
		if cells(line)+1+cells(word) <= width {
			line += " " + word
		} else {
			lines, line = append(lines, line), pad+word
		}
	}
	lines, line = breakUp(lines, line, pad, width)
	return append(lines, line)
}

// breakUp adds a line that is too long, but for its end.
func breakUp(lines []string, line, pad string, width int) (full []string, rest string) {
	for cells(line) > width {
		n, cut := 0, 0
		for i, r := range line {
			if n += runeCells(r); n > width {
				cut = i
				break
			}
		}
		lines, line = append(lines, line[:cut]), pad+line[cut:]
	}
	return lines, line
}

// canvas draws a text over the one that it drew before.
type canvas struct {
	out   io.Writer
	term  terminal
	lines int // that were drawn
}

// draw shows the text in place of the one before. What does not fit on the terminal is cut: lines that are broken or
// scroll away could not be drawn over.
func (c *canvas) draw(text string) error {
	width, height := c.term.size()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if most := max(height-1, 2); height > 0 && len(lines) > most {
		more := fmt.Sprintf("… and %d more lines", len(lines)-most+1)
		lines = append(slices.Clone(lines[:most-1]), more)
	}
	var b strings.Builder
	if c.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", c.lines) // up
	}
	b.WriteByte('\r')
	for _, line := range lines {
		b.WriteString(clip(line, width-1) + "\x1b[K\n") // and clears the rest of the line
	}
	b.WriteString("\x1b[J") // and what is below
	c.lines = len(lines)
	if _, err := io.WriteString(c.out, b.String()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
