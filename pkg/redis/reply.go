package redis

import (
	"bytes"
	"errors"
	"strings"

	"github.com/mediocregopher/radix/v4"
	"github.com/mediocregopher/radix/v4/resp"
	"github.com/mediocregopher/radix/v4/resp/resp3"
)

// command is a command and its arguments.
type command []string

func (c command) action(into *reply) radix.Action { return radix.Cmd(into, c[0], c[1:]...) }

// reply is the answer to one command. An error of the server is a value in it: radix would report only the
// first error of a pipeline, and with it the command and its arguments, which may be a password.
type reply struct {
	text  string
	list  []string
	lists []reply // the elements that are lists themselves, which are not in list
	err   error   // a *ReplyError
}

// knownPrefixes begin every reply of RESP2, the protocol of a connection that has not sent HELLO.
const knownPrefixes = "+-:$*"

// UnmarshalRESP reads one reply. It fails when the connection cannot be used any more.
func (r *reply) UnmarshalRESP(br resp.BufferedReader, o *resp.Opts) error {
	first, err := br.Peek(1)
	if err != nil {
		return err
	}
	if !strings.Contains(knownPrefixes, string(first)) {
		return &protocolError{first: bytes.Clone(first)}
	}
	if resp3.ArrayHeaderPrefix == resp3.Prefix(first[0]) {
		return r.readList(br, o, 0)
	}
	return r.readText(br, o)
}

func (r *reply) readText(br resp.BufferedReader, o *resp.Opts) error {
	// Not into a string: radix would allocate whatever length is announced before anything of it has come.
	var text strings.Builder
	err := resp3.Unmarshal(br, &text, o)
	r.text = text.String()
	return r.keep(err)
}

// deepest is the depth of lists in lists that is read: servers say no more than three.
const deepest = 8

// readList reads a list, of which the length is announced and not believed. An error in it is the error of the
// whole.
func (r *reply) readList(br resp.BufferedReader, o *resp.Opts, depth int) error {
	var header resp3.ArrayHeader
	if err := header.UnmarshalRESP(br, o); err != nil {
		return err
	}
	for range header.NumElems {
		first, err := br.Peek(1)
		if err != nil {
			return err
		}
		var element reply
		nested := resp3.ArrayHeaderPrefix == resp3.Prefix(first[0])
		switch {
		case !strings.Contains(knownPrefixes, string(first)), nested && depth == deepest:
			return &protocolError{first: bytes.Clone(first)}
		case nested:
			err = element.readList(br, o, depth+1)
			r.lists = append(r.lists, element)
		default:
			err = element.readText(br, o)
			r.list = append(r.list, element.text)
		}
		if err != nil {
			return err
		}
		if r.err == nil {
			r.err = element.err
		}
	}
	return nil
}

// keep takes an error that the server answered with into the reply, and gives back every other.
func (r *reply) keep(err error) error {
	var (
		simple resp3.SimpleError
		blob   resp3.BlobError
	)
	switch {
	case errors.As(err, &simple):
		r.err = newReplyError(simple.S)
	case errors.As(err, &blob):
		r.err = newReplyError(string(blob.B))
	default:
		return err
	}
	if errors.Is(r.err, errHangsUp) {
		// The next read would only say EOF, and hide why.
		return r.err
	}
	return nil
}

// firstError is the error of the first reply that has one.
func firstError(replies []reply) error {
	for _, r := range replies {
		if r.err != nil {
			return r.err
		}
	}
	return nil
}
