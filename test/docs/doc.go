// Package docs tests that the documents say what the code does: reasons, rules, links.
package docs
