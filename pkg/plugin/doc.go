// Package plugin is kubectl redis-cluster: it shows RedisClusters to people, and what would become of them.
//
// What it prints is made by pure functions of API objects, sorted, so that two looks at the same state
// are the same text. It reads only, but for spec.paused in the verbs pause and resume: nothing else may be changed
// here. It must not know a password: live figures come from the agent's own word, by pods/exec.
package plugin
