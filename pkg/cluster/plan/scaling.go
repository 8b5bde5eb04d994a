package plan

const (
	// ScalingNotImplemented means that a release could not change numberOfMaster. No decision has it any more: it goes
	// when nothing refers to it.
	ScalingNotImplemented = "ScalingNotImplemented"
)
