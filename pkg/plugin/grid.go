package plugin

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// gap is between two columns.
const gap = 3

// align is the side of a column that its cells keep to.
type align int

const (
	left align = iota
	right
)

// column is the head of a column.
type column struct {
	title string
	align align
}

// grid is lines of cells that stand under each other.
type grid struct {
	columns []column
	rows    [][]string
}

func (g *grid) add(cells ...string) { g.rows = append(g.rows, cells) }

// String has each line without spaces at its end. An empty cell stays empty.
func (g *grid) String() string {
	widths := make([]int, len(g.columns))
	titles := make([]string, len(g.columns))
	for i, c := range g.columns {
		titles[i] = c.title
		widths[i] = utf8.RuneCountInString(c.title)
	}
	for _, row := range g.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range append([][]string{titles}, g.rows...) {
		b.WriteString(g.line(row, widths))
		b.WriteByte('\n')
	}
	return b.String()
}

func (g *grid) line(row []string, widths []int) string {
	var b strings.Builder
	for i, cell := range row {
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if g.columns[i].align == right {
			b.WriteString(pad + cell)
		} else {
			b.WriteString(cell + pad)
		}
		b.WriteString(strings.Repeat(" ", gap))
	}
	return strings.TrimRight(b.String(), " ")
}

// oneLine is a text of somebody else's on one line, without what a terminal would obey.
func oneLine(text string) string {
	clean := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	return strings.Join(strings.Fields(clean), " ")
}

// orDash is the text, or "-" when there is none.
func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
