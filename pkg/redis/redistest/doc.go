// Package redistest starts real servers on loopback for tests: alone, or formed into a cluster. They end
// with the test, or with the process that runs it.
//
// It is for tests only. It must never skip: a machine without a server fails, and says what to install.
package redistest
