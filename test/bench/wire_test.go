//go:build bench

package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
)

// wire is a connection to a server on which many commands may be under way at once. One goroutine may send while
// another reads.
type wire struct {
	conn    net.Conn
	in      *bufio.Reader
	out     *bufio.Writer
	scratch []byte
}

func dialWire(ctx context.Context, addr string) (*wire, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &wire{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), out: bufio.NewWriterSize(conn, 64<<10)}, nil
}

func (w *wire) close() { _ = w.conn.Close() }

// send puts a command into the buffer. An error is kept, and comes with flush.
func (w *wire) send(words ...string) {
	head := func(kind byte, n int) {
		w.scratch = strconv.AppendInt(append(w.scratch[:0], kind), int64(n), 10)
		_, _ = w.out.Write(append(w.scratch, "\r\n"...))
	}
	head('*', len(words))
	for _, word := range words {
		head('$', len(word))
		_, _ = w.out.WriteString(word)
		_, _ = w.out.WriteString("\r\n")
	}
}

func (w *wire) flush() error { return w.out.Flush() }

// answer is what came back for one command.
type answer struct {
	kind byte   // as in RESP: '+' '-' ':' '$' '*'
	text string // of a list: the text of its last member
	null bool
}

func (a answer) err() error {
	if a.kind == '-' {
		return errors.New(a.text)
	}
	return nil
}

func (w *wire) read() (answer, error) {
	line, err := w.in.ReadSlice('\n')
	if err != nil {
		return answer{}, err
	}
	if len(line) < 3 {
		return answer{}, fmt.Errorf("strange reply %q", line)
	}
	a := answer{kind: line[0], text: string(line[1 : len(line)-2])}
	if a.kind != '$' && a.kind != '*' {
		return a, nil
	}
	n, err := strconv.Atoi(a.text)
	if err != nil {
		return a, err
	}
	a.text, a.null = "", n < 0
	if a.kind == '$' {
		a.text, err = w.bulk(n)
		return a, err
	}
	for range n {
		member, err := w.read()
		if err != nil {
			return a, err
		}
		a.text = member.text
	}
	return a, nil
}

func (w *wire) bulk(n int) (string, error) {
	if n < 0 {
		return "", nil
	}
	data := make([]byte, n+2)
	_, err := io.ReadFull(w.in, data)
	return string(data[:n]), err
}

// pipelined is how many commands are sent before their replies are read.
const pipelined = 256

// all sends the commands of a sequence in pipelines, and gives each answer to got; an error that the server answered
// ends it.
func (w *wire) all(commands func(yield func([]string) bool), got func(answer) error) error {
	var failed error
	sent := 0
	drain := func() bool {
		failed = w.flush()
		for ; failed == nil && sent > 0; sent-- {
			var a answer
			if a, failed = w.read(); failed == nil {
				failed = a.err()
			}
			if failed == nil && got != nil {
				failed = got(a)
			}
		}
		return failed == nil
	}
	for command := range commands {
		w.send(command...)
		if sent++; sent == pipelined && !drain() {
			return failed
		}
	}
	drain()
	return failed
}

// once sends one command on a connection of its own.
func once(ctx context.Context, addr string, words ...string) (string, error) {
	w, err := dialWire(ctx, addr)
	if err != nil {
		return "", err
	}
	defer w.close()
	w.send(words...)
	if err = w.flush(); err != nil {
		return "", err
	}
	a, err := w.read()
	if err == nil {
		err = a.err()
	}
	return a.text, err
}
