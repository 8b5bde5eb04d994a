// Package plugin is kubectl redis-cluster: it shows RedisClusters to people.
//
// What it prints is made by pure functions of API objects, sorted, so that two looks at the same state
// are the same text. It reads only. It must not change anything, and must not know a password: live
// figures come from the agent's own word, by pods/exec.
package plugin
