package plugin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/streaming/pkg/httpstream/wsstream"
)

func TestParseInfo(t *testing.T) {
	t.Parallel()
	got, err := parseInfo([]byte(`{"usedMemory":1,"maxMemory":2,"keys":3,"role":"replica","replOffset":4,` +
		`"connectedClients":5,"version":"valkey 9.1.0","new":true}` + "\n"))
	want := Info{UsedMemory: 1, MaxMemory: 2, Keys: 3, Role: "replica", ReplOffset: 4, ConnectedClients: 5, Version: "valkey 9.1.0"}
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := parseInfo([]byte("redisnode: no such verb")); err == nil {
		t.Error("a text that is no JSON was read")
	}
}

func TestAskAllKeepsGoing(t *testing.T) {
	t.Parallel()
	rc := converged("default", "demo")
	c := Clients{Ask: func(_ context.Context, namespace, pod string) (Info, error) {
		if pod == "demo-2" {
			return Info{}, errors.New("gone")
		}
		return Info{Version: namespace + "/" + pod}, nil
	}}
	live := c.askAll(t.Context(), rc)
	for i, n := range rc.Status.Nodes {
		failed := n.PodName == "demo-2"
		if live[i].PodName != n.PodName || (live[i].Err != nil) != failed || !failed && live[i].Info.Version != "default/"+n.PodName {
			t.Errorf("%d: %+v", i, live[i])
		}
	}
}

// The API server's refusal reaches the person as a sentence.
func TestAskByExecIsForbidden(t *testing.T) {
	t.Parallel()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path+" "+strings.Join(r.URL.Query()["command"], " ")+" "+r.URL.Query().Get("container"))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,`+
			`"message":"pods \"demo-0\" is forbidden: User \"u\" cannot create resource \"pods/exec\""}`)
	}))
	defer server.Close()
	config := &rest.Config{Host: server.URL}
	_, err := askByExec(config, kubernetes.NewForConfigOrDie(config))(t.Context(), "ns1", "demo-0")
	if !errors.Is(err, ErrForbidden) {
		t.Errorf("%v", err)
	}
	want := " /api/v1/namespaces/ns1/pods/demo-0/exec /opt/redisnode/redisnode info redis"
	for _, a := range asked {
		if !strings.HasSuffix(a, want) {
			t.Errorf("asked %q, want …%q", a, want)
		}
	}
	if len(asked) != 2 || !strings.HasPrefix(asked[0], "GET") || !strings.HasPrefix(asked[1], "POST") {
		t.Errorf("asked %q, want by GET (WebSocket), then by POST (SPDY)", asked)
	}
}

// podServer is an API server that runs every command with this outcome.
func podServer(t *testing.T, stdout, stderr, status string) AskFunc {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("stdin") != "" || q.Get("tty") != "" || q.Get("stdout") != "true" || q.Get("stderr") != "true" {
			t.Errorf("asked with %v", q)
		}
		in, out := wsstream.IgnoreChannel, wsstream.WriteChannel
		conn := wsstream.NewConn(map[string]wsstream.ChannelProtocolConfig{
			"v5.channel.k8s.io": {Binary: true, Channels: []wsstream.ChannelType{in, out, out, out, in}},
		})
		_, streams, err := conn.Open(w, r)
		if err != nil {
			t.Errorf("open: %v", err)
			return
		}
		for channel, text := range []string{"", stdout, stderr, status} {
			if text != "" {
				_, _ = io.WriteString(streams[channel], text)
			}
		}
		_ = conn.Close()
	}))
	t.Cleanup(server.Close)
	config := &rest.Config{Host: server.URL}
	return askByExec(config, kubernetes.NewForConfigOrDie(config))
}

const exitOne = `{"status":"Failure","reason":"NonZeroExitCode","message":"exit code 1",` +
	`"details":{"causes":[{"reason":"ExitCode","message":"1"}]}}`

func TestAskByExec(t *testing.T) {
	t.Parallel()
	ask := podServer(t, `{"usedMemory":7,"role":"primary"}`, "a warning", `{"status":"Success"}`)
	got, err := ask(t.Context(), "ns1", "demo-0")
	if want := (Info{UsedMemory: 7, Role: "primary"}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = podServer(t, "", "redis does not answer\n", exitOne)(t.Context(), "ns1", "demo-0")
	if err == nil || err.Error() != "redis does not answer" {
		t.Errorf("a command that fails: %v", err)
	}
	_, err = podServer(t, strings.Repeat("x", askMax+1), "", `{"status":"Success"}`)(t.Context(), "ns1", "demo-0")
	if err == nil {
		t.Error("an answer without end was read")
	}
}

func TestExecErrorIsThePodsOwnWord(t *testing.T) {
	t.Parallel()
	plain := errors.New("command terminated with exit code 1")
	for want, err := range map[string]error{
		"no answer in 5s":                     execError(context.DeadlineExceeded, ""),
		"redis does not answer":               execError(plain, "redis does not\nanswer\n"),
		"command terminated with exit code 1": execError(plain, " \n"),
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}

func TestBoundedBuffer(t *testing.T) {
	t.Parallel()
	b := &boundedBuffer{}
	if _, err := b.Write(make([]byte, askMax)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, errTooLong) {
		t.Errorf("%v", err)
	}
}
