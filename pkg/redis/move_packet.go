package redis

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// packet is commands, encoded, that go to a node in one write.
type packet struct {
	buf   []byte
	count int
}

// begin begins a command of so many words. They have to follow.
func (p *packet) begin(words int) {
	p.header('*', words)
	p.count++
}

func (p *packet) header(kind byte, n int) {
	p.buf = append(p.buf, kind)
	p.buf = strconv.AppendInt(p.buf, int64(n), 10)
	p.buf = append(p.buf, "\r\n"...)
}

func (p *packet) word(text string) {
	p.header('$', len(text))
	p.buf = append(p.buf, text...)
	p.buf = append(p.buf, "\r\n"...)
}

// raw adds words that are encoded already.
func (p *packet) raw(bulks []byte) { p.buf = append(p.buf, bulks...) }

// add adds a whole command.
func (p *packet) add(words ...string) {
	p.begin(len(words))
	for _, word := range words {
		p.word(word)
	}
}

// keyList is keys as a server sent them: bulk strings, which is also how a command names them. They go through
// without being looked at.
type keyList struct {
	raw  []byte
	ends []int
}

func (k *keyList) len() int { return len(k.ends) }

func (k *keyList) start(i int) int {
	if i == 0 {
		return 0
	}
	return k.ends[i-1]
}

// words are the keys from i up to j, encoded.
func (k *keyList) words(i, j int) []byte { return k.raw[k.start(i):k.start(j)] }

// key is the bare key.
func (k *keyList) key(i int) string {
	word := k.words(i, i+1)
	for at, b := range word {
		if b == '\n' {
			return string(word[at+1 : len(word)-2])
		}
	}
	return ""
}

// answer is the reply to one command.
type answer struct {
	err    error // a *ReplyError
	number int64
	text   string   // of a string; of an array nothing
	keys   keyList  // of an array of strings
	list   []answer // of any other array
	null   bool
}

// answers are the replies to a packet, in its order.
type answers struct {
	list []answer
	want int
}

// read reads as many replies as are wanted. It fails when the connection cannot be used any more.
func (a *answers) read(br *bufio.Reader) error {
	a.list = make([]answer, a.want)
	for i := range a.list {
		if err := a.list[i].read(br, 0); err != nil {
			return err
		}
		if errors.Is(a.list[i].err, errHangsUp) {
			return a.list[i].err
		}
	}
	return nil
}

// firstErr is the first error that the node answered with.
func (a *answers) firstErr() error {
	for i := range a.list {
		if a.list[i].err != nil {
			return a.list[i].err
		}
	}
	return nil
}

const (
	maxDepth  = 2       // of arrays in arrays: EXEC around a pipeline
	maxWords  = 1 << 20 // of an array; nobody was asked for more
	firstRead = 1 << 16 // of a long string: no more memory is taken than has come, within a factor of two
)

func (a *answer) read(br *bufio.Reader, depth int) error {
	line, err := readLine(br)
	if err != nil {
		return err
	}
	switch line[0] {
	case '+':
		a.text = string(line[1:])
		return nil
	case '-':
		a.err = newReplyError(string(line[1:]))
		return nil
	case ':':
		a.number, err = strconv.ParseInt(string(line[1:]), 10, 64)
		return asProtocolError(line, err)
	case '$', '*':
	default:
		return &protocolError{first: slices.Clone(line[:1])}
	}
	n, err := strconv.Atoi(string(line[1:]))
	switch {
	case err != nil:
		return asProtocolError(line, err)
	case n < 0:
		a.null = true
		return nil
	case line[0] == '$':
		return a.readText(br, n)
	}
	return a.readArray(br, n, depth)
}

func (a *answer) readText(br *bufio.Reader, n int) error {
	body, err := appendBody(nil, br, n)
	if err == nil {
		a.text = string(body[:n])
	}
	return err
}

// readArray reads strings into the list of keys, and anything else into the list of answers.
func (a *answer) readArray(br *bufio.Reader, n, depth int) error {
	if n > maxWords || depth == maxDepth {
		return fmt.Errorf("%w: an array of %d in %d", ErrNotRedis, n, depth)
	}
	for i := range n {
		first, err := br.Peek(1)
		if err != nil {
			return err
		}
		if first[0] == '$' && len(a.list) == 0 {
			if err = a.keys.read(br); err != nil {
				return err
			}
			continue
		}
		if i > len(a.list) {
			return fmt.Errorf("%w: an array of many kinds", ErrNotRedis)
		}
		a.list = append(a.list, answer{})
		if err = a.list[i].read(br, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// read takes one more string, as it is.
func (k *keyList) read(br *bufio.Reader) error {
	line, err := readLine(br)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(string(line[1:]))
	if err != nil || n < 0 {
		return asProtocolError(line, errors.New("not a key"))
	}
	k.raw = append(append(k.raw, line...), "\r\n"...)
	if k.raw, err = appendBody(k.raw, br, n); err != nil {
		return err
	}
	k.ends = append(k.ends, len(k.raw))
	return nil
}

// appendBody reads n bytes and the end of the line after them.
func appendBody(to []byte, br *bufio.Reader, n int) ([]byte, error) {
	for left, step := n+2, firstRead; left > 0; step *= 2 {
		step = min(step, left)
		at := len(to)
		to = slices.Grow(to, step)[:at+step]
		if _, err := io.ReadFull(br, to[at:]); err != nil {
			return nil, err
		}
		left -= step
	}
	return to, nil
}

// readLine is a line without its end. It is gone with the next read.
func readLine(br *bufio.Reader) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	if len(line) < 3 {
		return nil, &protocolError{first: slices.Clone(line)}
	}
	return line[:len(line)-2], nil
}

func asProtocolError(line []byte, err error) error {
	if err == nil {
		return nil
	}
	return &protocolError{first: slices.Clone(line[:1])}
}
