// Package plan decides: from what is wanted and what was seen, the one next step and why.
//
// It is pure and deterministic. It must not do anything, wait, log, or read a clock, and it does not
// know the API types: pkg/controller turns a spec into Wanted.
package plan
