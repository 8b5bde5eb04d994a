package redis

import (
	"io"
	"net"
	"testing"
	"time"
)

// A connection that nobody uses is closed, and forgotten.
func TestClients_IdleTimeout(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	ended := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			_, err = io.WriteString(conn, "+PONG\r\n")
		}
		if err == nil {
			_, err = io.Copy(io.Discard, conn)
		}
		ended <- err
	}()
	clients := NewClients(Dialer{})
	defer clients.Close()
	clients.idleTimeout = time.Millisecond
	if _, err := clients.Ping(t.Context(), Endpoint{Addr: listener.Addr().String()}); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the other side saw %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the connection is still open")
	}
	clients.mu.Lock()
	defer clients.mu.Unlock()
	if len(clients.idle) != 0 {
		t.Error("the connection is still kept")
	}
}
