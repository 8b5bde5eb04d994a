package redis

import (
	"bufio"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/mediocregopher/radix/v4/resp"
)

// nested is lists in lists.
func nested(depth int) reply {
	if depth == 0 {
		return reply{}
	}
	return reply{lists: []reply{nested(depth - 1)}}
}

func TestReply(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]reply{
		"+OK\r\n":                             {text: "OK"},
		":12\r\n":                             {text: "12"},
		"$-1\r\n":                             {},
		"*-1\r\n":                             {},
		"*0\r\n":                              {},
		"*3\r\n$1\r\na\r\n$-1\r\n:-2\r\n":     {list: []string{"a", "", "-2"}},
		"*1\r\n*2\r\n:7\r\n*1\r\n$1\r\nk\r\n": {lists: []reply{{list: []string{"7"}, lists: []reply{{list: []string{"k"}}}}}},
		strings.Repeat("*1\r\n", deepest) + "*0\r\n": nested(deepest),
		"-ERR no\r\n":                          {err: newReplyError("ERR no")},
		"*2\r\n*1\r\n-ERR no\r\n+OK\r\n":       {list: []string{"OK"}, lists: []reply{{list: []string{""}, err: newReplyError("ERR no")}}, err: newReplyError("ERR no")},
		"*3\r\n-ERR one\r\n-ERR two\r\n:1\r\n": {list: []string{"", "", "1"}, err: newReplyError("ERR one")},
	} {
		in := bufio.NewReader(strings.NewReader(text + "+next\r\n"))
		var got reply
		if err := got.UnmarshalRESP(in, resp.NewOpts()); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, %v, want %+v", text, got, err, want)
		}
		// What follows must not be taken for a part of it.
		var next reply
		if err := next.UnmarshalRESP(in, resp.NewOpts()); err != nil || next.text != "next" {
			t.Errorf("%q: then %+v, %v", text, next, err)
		}
	}
}

// TestReply_Hostile has answers that must neither be believed nor fill the memory or the stack.
func TestReply_Hostile(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"*1000000000\r\n", "*1000000000\r\n:1\r\n", "*2\r\n:1\r\nHTTP", strings.Repeat("*1\r\n", 1e6),
		"*1\r\n%1\r\n", "$1000000000\r\nab", "*x\r\n", "",
	} {
		var got reply
		err := got.UnmarshalRESP(bufio.NewReader(strings.NewReader(text)), resp.NewOpts())
		if err == nil || errors.As(err, new(*ReplyError)) {
			t.Errorf("%.20q: got %v", text, err)
		}
	}
}
