//go:build race

package controller

// stride is how many writes lie between two that have their turn; the race detector makes everything five times slower.
const stride = 4
