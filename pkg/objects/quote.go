package objects

import (
	"fmt"
	"slices"
	"strings"
)

// lists are the directives that take several arguments. Of all others redis-server refuses more than one in a file,
// and takes them when they are set live: both ways must come to the same.
var lists = []string{
	"client-output-buffer-limit", "ignore-warnings", "latency-tracking-info-percentiles", "oom-score-adj-values", "save",
	"shutdown-on-sigint", "shutdown-on-sigterm",
}

// confValue writes the value of a directive so that redis-server reads what the user meant: the arguments, when the
// directive takes a list of them (`replica 256mb 64mb 60`), or else all of it as one argument ({title} {port}).
// Whatever it is, it ends on its line: a value cannot smuggle in another directive.
func confValue(name, value string) string {
	args := arguments(value)
	if !slices.Contains(lists, name) {
		args = []string{strings.Join(args, " ")}
	}
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = quoteArg(arg)
	}
	return strings.Join(quoted, " ")
}

// arguments are those of a value, at least one: a value that is no list as redis.conf has it (it's) is one itself.
func arguments(value string) []string {
	args, ok := splitArgs(value)
	switch {
	case !ok:
		return []string{value}
	case len(args) == 0:
		return []string{""}
	}
	return args
}

// quoteArg writes one argument, with quotes where redis-server needs them.
func quoteArg(arg string) string {
	if arg != "" && strings.IndexFunc(arg, special) < 0 {
		return arg
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(arg) {
		switch c := arg[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// special are the characters that mean something to redis-server, or cannot be seen.
func special(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\'' || c == '\\' }

// splitArgs splits a line into arguments by the rules of redis.conf (sdssplitargs in sds.c); false when redis-server
// would refuse the line. An argument may be in double quotes, with escapes, or in single quotes.
func splitArgs(line string) ([]string, bool) {
	if strings.ContainsRune(line, 0) {
		return nil, false // The end of the line for redis-server.
	}
	var args []string
	for {
		line = strings.TrimLeft(line, " \t\n\v\f\r")
		if line == "" {
			return args, true
		}
		arg, rest, ok := splitArg(line)
		if !ok {
			return nil, false
		}
		args = append(args, arg)
		line = rest
	}
}

// splitArg takes the first argument from a line that begins with one. Quotes may begin within an argument, and end it.
func splitArg(line string) (arg, rest string, ok bool) {
	end := strings.IndexAny(line, " \t\n\r\"'")
	if end < 0 {
		return line, "", true
	}
	arg, rest = line[:end], line[end:]
	switch rest[0] {
	case '"':
		quoted, after, closed := unquoteDouble(rest[1:])
		return arg + quoted, after, closed && atBreak(after)
	case '\'':
		quoted, after, closed := unquoteSingle(rest[1:])
		return arg + quoted, after, closed && atBreak(after)
	}
	return arg, rest, true
}

// atBreak says whether an argument may end here: nothing but a space follows a closing quote.
func atBreak(rest string) bool { return rest == "" || strings.IndexByte(" \t\n\v\f\r", rest[0]) >= 0 }

// unquoteDouble reads up to the closing quote; closed is false when there is none.
func unquoteDouble(s string) (value, rest string, closed bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+3 < len(s) && s[i+1] == 'x' && isHex(s[i+2]) && isHex(s[i+3]):
			b.WriteByte(hexValue(s[i+2])<<4 | hexValue(s[i+3]))
			i += 3
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(unescape(s[i]))
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}

// unquoteSingle reads up to the closing quote. Only the quote itself can be escaped.
func unquoteSingle(s string) (value, rest string, closed bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '\'':
			b.WriteByte('\'')
			i++
		case s[i] == '\'':
			return b.String(), s[i+1:], true
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}

func unescape(c byte) byte {
	if i := strings.IndexByte("nrtba", c); i >= 0 {
		return "\n\r\t\b\a"[i]
	}
	return c
}

func isHex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }

func hexValue(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}
