package v1

// Module is a module that redis loads when it starts.
//
// +kubebuilder:validation:XValidation:rule="self.path.startsWith('/')",message="spec.modules[].path must be absolute: a path in the image of the container redis, or in a volume that is mounted there"
type Module struct {
	// Path of the module's file in the container redis: in its image, or in a volume of spec.podTemplate that is mounted
	// there.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="spec.modules[].path must not have control characters"
	Path string `json:"path"`

	// Args are the module's arguments.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Args []ModuleArg `json:"args,omitempty"`
}

// ModuleArg is one argument of a module.
//
// +kubebuilder:validation:MaxLength=1024
// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="spec.modules[].args must not have control characters"
type ModuleArg string

// RenamedCommands are commands under the names that clients have for them. Redis writes a command to its append-only
// file, and sends it to its replicas, by the name that a client has used: one that is written under another name is
// unknown to a node that has not been renamed yet, or not any more. The operator and the agents need others. So few can
// be renamed, and any can be taken from clients.
//
// +kubebuilder:validation:MaxProperties=64
// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 64 && k.matches('^[a-z][a-z0-9._|-]*$'))",message="spec.renamedCommands keys must be commands in lower case"
// +kubebuilder:validation:XValidation:rule="self.all(k, self[k].size() == 0 || k in ['eval_ro', 'evalsha', 'evalsha_ro', 'fcall_ro', 'keys', 'lolwut', 'randomkey', 'scan', 'sort_ro'])",message="spec.renamedCommands can give another name only to eval_ro, evalsha, evalsha_ro, fcall_ro, keys, lolwut, randomkey, scan and sort_ro: the others are in append-only files and sent to replicas by their names, or the operator needs them; an empty name takes any command from the user default"
type RenamedCommands map[string]CommandName

// CommandName is another name of a command; "" when clients have none for it.
//
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_.-]*$`
type CommandName string
