package cluster

import "math"

// assign gives each of the rows a column of its own, so that the sum of the prices is the least possible. There
// must be at least as many columns as rows. The result is the column of each row.
//
// It is the Hungarian method with potentials: one row after the other is brought in along the cheapest
// augmenting path, so that an early choice is undone when a later row needs it: no dead ends. O(rows² × columns).
func assign(prices [][]int64, columns int) []int {
	rows := len(prices)
	a := assignment{
		prices:   prices,
		rowBonus: make([]int64, rows+1),
		colBonus: make([]int64, columns+1),
		rowOf:    make([]int, columns+1),
		cameFrom: make([]int, columns+1),
	}
	for row := 1; row <= rows; row++ {
		a.bringIn(row)
	}
	columnOf := make([]int, rows)
	for column := 1; column <= columns; column++ {
		if row := a.rowOf[column]; row > 0 {
			columnOf[row-1] = column - 1
		}
	}
	return columnOf
}

// assignment counts rows and columns from 1; row and column 0 mean none.
type assignment struct {
	prices             [][]int64
	rowBonus, colBonus []int64
	rowOf              []int // the row that has the column
	cameFrom           []int // the column before this one on the path
}

func (a *assignment) bringIn(row int) {
	least := make([]int64, len(a.rowOf))
	for i := range least {
		least[i] = math.MaxInt64
	}
	reached := make([]bool, len(a.rowOf))
	a.rowOf[0] = row
	column := 0
	for a.rowOf[column] != 0 {
		reached[column] = true
		column = a.extend(column, least, reached)
	}
	for column != 0 { // everybody on the path moves over by one
		before := a.cameFrom[column]
		a.rowOf[column] = a.rowOf[before]
		column = before
	}
}

// extend lengthens the tree of cheapest paths by the nearest column, and returns that column.
func (a *assignment) extend(column int, least []int64, reached []bool) int {
	row, nearest := a.rowOf[column], 0
	delta := int64(math.MaxInt64)
	for c := 1; c < len(a.rowOf); c++ {
		if reached[c] {
			continue
		}
		if p := a.prices[row-1][c-1] - a.rowBonus[row] - a.colBonus[c]; p < least[c] {
			least[c], a.cameFrom[c] = p, column
		}
		if least[c] < delta {
			delta, nearest = least[c], c
		}
	}
	for c := range a.rowOf {
		if reached[c] {
			a.rowBonus[a.rowOf[c]] += delta
			a.colBonus[c] -= delta
		} else if least[c] != math.MaxInt64 {
			least[c] -= delta
		}
	}
	return nearest
}

func transpose(prices [][]int64, columns int) [][]int64 {
	turned := make([][]int64, columns)
	for c := range turned {
		turned[c] = make([]int64, len(prices))
		for r := range prices {
			turned[c][r] = prices[r][c]
		}
	}
	return turned
}
