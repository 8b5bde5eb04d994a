package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const againEnv = "OPERATOR_TEST_AGAIN"

// TestMain is also the program that starts again, once.
func TestMain(m *testing.M) {
	switch os.Getenv(againEnv) {
	case "":
		os.Exit(m.Run())
	case "first":
		fmt.Println(os.Getpid(), os.Args[1:])
		_ = os.Setenv(againEnv, "second")
		go func() { select {} }() // work that does not end by itself
		fmt.Println(startAgain())
	case "second":
		fmt.Println(os.Getpid(), os.Args[1:])
	}
}

// The process that has lost its Lease is the one that works on, as a kubelet sees it: with the same number and flags.
func TestFault16_StartAgain(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "--leader-elect", "--v=2")
	cmd.Env = append(os.Environ(), againEnv+"=first")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := fmt.Sprintf("%d [--leader-elect --v=2]\n", cmd.Process.Pid)
	if string(out) != strings.Repeat(want, 2) {
		t.Errorf("it says\n%sand not twice\n%s", out, want)
	}
}
