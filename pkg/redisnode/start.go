package redisnode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/golang/glog"
	"k8s.io/utils/clock"
)

// retryInterval is how often the container of redis looks for a gate that is not there yet.
const retryInterval = 100 * time.Millisecond

// Command is the server that a container of redis becomes.
type Command struct {
	Path string
	Args []string
}

// Start waits until the agent lets redis start, for as long as that takes, and gives the command to become.
// The agent may start later than this, and again while this waits.
func Start(ctx context.Context, runDir string, c clock.Clock) (Command, error) {
	path, err := findServer()
	if err != nil {
		return Command{}, err
	}
	version := versionOf(ctx, path)
	learnt := make(chan struct{})
	go func() { // the gate needs its time as well
		defer close(learnt)
		learnDefaults(ctx, runDir, Command{Path: path}, version, c)
	}()
	defer func() { <-learnt }()
	said := ""
	for {
		conf, err := askLeave(ctx, runDir, version)
		if err == nil {
			return Command{Path: path, Args: []string{path, conf}}, nil
		}
		if ctx.Err() != nil {
			return Command{}, ctx.Err()
		}
		if err.Error() != said {
			said = err.Error()
			glog.Infof("waiting for the agent: %v", err)
		}
		if err := pause(ctx, c, retryInterval); err != nil {
			return Command{}, err
		}
	}
}

// findServer is the server of the image: the one of its own name where it has both.
func findServer() (string, error) {
	var errs []error
	for _, name := range []string{"valkey-server", "redis-server"} {
		path, err := exec.LookPath(name)
		if err == nil {
			return path, nil
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("the image of the container has no server: %w", errors.Join(errs...))
}

// versionOf is what the server says of itself; "" when it does not.
func versionOf(ctx context.Context, path string) string {
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		glog.Warningf("%s --version: %v", path, err)
		return ""
	}
	return strings.TrimSpace(string(out))
}

func askLeave(ctx context.Context, runDir, version string) (string, error) {
	var l leave
	if err := callGate(ctx, runDir, pathStart+"?"+url.Values{keyVersion: {version}}.Encode(), &l); err != nil {
		return "", err
	}
	if l.Conf == "" {
		return "", errors.New(l.Error)
	}
	return l.Conf, nil
}

// stopBound is longer than the hand-over may take.
const stopBound = handOverBound + 5*time.Second

// Stop asks the agent for the hand-over and says what came of it. An agent that is gone does not keep the pod from
// stopping.
func Stop(ctx context.Context, runDir string) string {
	ctx, cancel := context.WithTimeout(ctx, stopBound)
	defer cancel()
	var s stopped
	if err := callGate(ctx, runDir, pathStop, &s); err != nil {
		return fmt.Sprintf("no hand-over: %v", err)
	}
	return s.Result
}

// LiftFence asks the agent of this pod to lift its fence, and says what came of it.
func LiftFence(ctx context.Context, runDir string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, infoBound)
	defer cancel()
	var s stopped
	err := callGate(ctx, runDir, pathLift, &s)
	return s.Result, err
}

func callGate(ctx context.Context, runDir, path string, out any) error {
	socket := gateSocket(runDir)
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gate"+path, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		if _, statErr := os.Stat(socket); errors.Is(statErr, os.ErrNotExist) {
			return fmt.Errorf("%s is not there", socket)
		}
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(out)
}
