//go:build !race

package controller

// stride is how many writes lie between two that have their turn.
const stride = 1
