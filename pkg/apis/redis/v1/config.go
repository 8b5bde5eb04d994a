package v1

import (
	"slices"
	"strings"
)

// Config are redis.conf directives and their values. The names that are refused are those that the operator
// or the agent sets, those that would open the server (debugging, modules, users) and those that would move it away
// from where it is looked for. One rule a name keeps the answer exact and the cost of checking it small.
//
// +kubebuilder:validation:MaxProperties=200
// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 64 && k.matches('^[a-z][a-z0-9-]*$'))",message="spec.config keys must be redis.conf directives in lower case"
// +kubebuilder:validation:XValidation:rule="self.all(k, !self[k].contains('\\n') && !self[k].contains('\\r'))",message="spec.config values must be one line"
// +kubebuilder:validation:XValidation:rule="!('save' in self) || self['save'].matches('^(\"\"|[0-9]+ [0-9]+( [0-9]+ [0-9]+)*)?$')",message="spec.config.save must be pairs of seconds and changes, or empty"
// +kubebuilder:validation:XValidation:rule="!('maxclients' in self) || self['maxclients'].matches('^[0-9]{1,6}$')",message="spec.config.maxclients must be a number below 1000000: a server that is told more stands still"
// +kubebuilder:validation:XValidation:rule="!('aclfile' in self)",message="spec.config.aclfile must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('acllog-max-len' in self)",message="spec.config.acllog-max-len must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('bind' in self)",message="spec.config.bind must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('bind-source-addr' in self)",message="spec.config.bind-source-addr must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('cluster-announce-bus-port' in self)",message="spec.config.cluster-announce-bus-port must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('cluster-announce-hostname' in self)",message="spec.config.cluster-announce-hostname must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('cluster-announce-human-nodename' in self)",message="spec.config.cluster-announce-human-nodename must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('cluster-announce-ip' in self)",message="spec.config.cluster-announce-ip must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('cluster-announce-port' in self)",message="spec.config.cluster-announce-port must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('cluster-announce-tls-port' in self)",message="spec.config.cluster-announce-tls-port must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('cluster-config-file' in self)",message="spec.config.cluster-config-file must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('cluster-enabled' in self)",message="spec.config.cluster-enabled must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('cluster-port' in self)",message="spec.config.cluster-port must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('daemonize' in self)",message="spec.config.daemonize must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('dir' in self)",message="spec.config.dir must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('enable-debug-command' in self)",message="spec.config.enable-debug-command must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('enable-module-command' in self)",message="spec.config.enable-module-command must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('enable-protected-configs' in self)",message="spec.config.enable-protected-configs must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('include' in self)",message="spec.config.include must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('loadmodule' in self)",message="spec.config.loadmodule must not be set: use spec.modules"
// +kubebuilder:validation:XValidation:rule="!('logfile' in self)",message="spec.config.logfile must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('masterauth' in self)",message="spec.config.masterauth must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('masteruser' in self)",message="spec.config.masteruser must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('pidfile' in self)",message="spec.config.pidfile must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('port' in self)",message="spec.config.port must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('primaryauth' in self)",message="spec.config.primaryauth must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('primaryuser' in self)",message="spec.config.primaryuser must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('protected-mode' in self)",message="spec.config.protected-mode must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('rename-command' in self)",message="spec.config.rename-command must not be set: use spec.renamedCommands"
// +kubebuilder:validation:XValidation:rule="!('replica-announce-ip' in self)",message="spec.config.replica-announce-ip must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('replica-announce-port' in self)",message="spec.config.replica-announce-port must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('replicaof' in self)",message="spec.config.replicaof must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('requirepass' in self)",message="spec.config.requirepass must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('slaveof' in self)",message="spec.config.slaveof must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('supervised' in self)",message="spec.config.supervised must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('syslog-enabled' in self)",message="spec.config.syslog-enabled must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('tls-cluster' in self)",message="spec.config.tls-cluster must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('tls-port' in self)",message="spec.config.tls-port must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('tls-replication' in self)",message="spec.config.tls-replication must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('unixsocket' in self)",message="spec.config.unixsocket must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('unixsocketperm' in self)",message="spec.config.unixsocketperm must not be set: the operator sets it"
// +kubebuilder:validation:XValidation:rule="!('user' in self)",message="spec.config.user must not be set: the operator sets it"
type Config map[string]ConfigValue

// Reserved says that a directive is refused in spec.config, under this name or an older one: it is the operator's or
// the agent's, and what a node runs with is not compared with the spec.
func Reserved(name string) bool {
	_, found := slices.BinarySearch(reserved, strings.Replace(name, "slave-announce", "replica-announce", 1))
	return found
}

// reserved are the names that the rules above refuse, sorted.
var reserved = []string{
	"aclfile", "acllog-max-len", "bind", "bind-source-addr",
	"cluster-announce-bus-port", "cluster-announce-hostname", "cluster-announce-human-nodename", "cluster-announce-ip",
	"cluster-announce-port", "cluster-announce-tls-port", "cluster-config-file", "cluster-enabled",
	"cluster-port", "daemonize", "dir", "enable-debug-command",
	"enable-module-command", "enable-protected-configs", "include", "loadmodule",
	"logfile", "masterauth", "masteruser", "pidfile",
	"port", "primaryauth", "primaryuser", "protected-mode",
	"rename-command", "replica-announce-ip", "replica-announce-port", "replicaof",
	"requirepass", "slaveof", "supervised", "syslog-enabled",
	"tls-cluster", "tls-port", "tls-replication", "unixsocket",
	"unixsocketperm", "user",
}

// ConfigValue is the value of one redis.conf directive, on one line.
//
// +kubebuilder:validation:MaxLength=1024
type ConfigValue string
