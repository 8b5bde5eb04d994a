package operator

import (
	"github.com/go-logr/glogr"
	"k8s.io/klog/v2" //nolint:depguard // the one place where client-go's logger is led into ours
)

// sendKlogThroughGlog makes what client-go logs appear in the one log, at glog's levels.
func sendKlogThroughGlog() {
	klog.SetLogger(glogr.New())
}
