package main

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
)

// policyRules renders the NetworkPolicies for the pods of one node: ingress and
// egress by podSelector, namespaceSelector, ipBlock with except, and numeric,
// named and ranged ports. Not covered: host network pods as peers, and named
// ports of egress to an ipBlock.
type policyRules struct {
	node       string
	pods       corelisters.PodLister
	namespaces corelisters.NamespaceLister
	policies   networkinglisters.NetworkPolicyLister
}

// table is the whole nftables table. Each isolated pod has a chain for each
// direction, found by its address. A chain lets a packet pass by returning, so
// that the other direction is still checked, and drops at its end.
func (r *policyRules) table() string {
	var chains strings.Builder
	var ingress, egress []string
	for _, pod := range r.localPods() {
		in, out := r.rulesOf(pod)
		id := strings.ReplaceAll(pod.Status.PodIP, ".", "_")
		if in != nil {
			writeChain(&chains, "i_"+id, in)
			ingress = append(ingress, pod.Status.PodIP+" : jump i_"+id)
		}
		if out != nil {
			writeChain(&chains, "e_"+id, out)
			egress = append(egress, pod.Status.PodIP+" : jump e_"+id)
		}
	}
	// The forward hook, after kube-proxy's DNAT: real pod addresses. Traffic from the pod's own node (probes) does
	// not pass it; traffic to the own node passes input.
	return fmt.Sprintf(`table inet netpol
delete table inet netpol
table inet netpol {
%s chain forwarded {
  type filter hook forward priority 10;
  ct state established,related accept
%s%s }
 chain tonode {
  type filter hook input priority 10;
  ct state established,related accept
%s }
}
`, chains.String(), verdictMap("saddr", egress), verdictMap("daddr", ingress), verdictMap("saddr", egress))
}

func verdictMap(direction string, entries []string) string {
	if len(entries) == 0 {
		return ""
	}
	return fmt.Sprintf("  ip %s vmap { %s }\n", direction, strings.Join(entries, ", "))
}

func writeChain(b *strings.Builder, name string, matches []string) {
	fmt.Fprintf(b, " chain %s {\n", name)
	for _, match := range matches {
		fmt.Fprintf(b, "  %s return\n", match)
	}
	fmt.Fprint(b, "  counter drop\n }\n")
}

// localPods are the node's pods that have an address of their own, in a fixed order.
func (r *policyRules) localPods() []*v1.Pod {
	var local []*v1.Pod
	for _, pod := range r.livePods() {
		if pod.Spec.NodeName == r.node {
			local = append(local, pod)
		}
	}
	return local
}

func (r *policyRules) livePods() []*v1.Pod {
	all, _ := r.pods.List(labels.Everything()) // a lister of a cache does not fail
	all = slices.DeleteFunc(slices.Clone(all), func(p *v1.Pod) bool {
		return p.Status.PodIP == "" || p.Spec.HostNetwork ||
			p.Status.Phase == v1.PodSucceeded || p.Status.Phase == v1.PodFailed
	})
	slices.SortFunc(all, func(a, b *v1.Pod) int { return strings.Compare(string(a.UID), string(b.UID)) })
	return all
}

// rulesOf are the matches that may pass, nil for a direction that no policy isolates.
func (r *policyRules) rulesOf(pod *v1.Pod) (in, out []string) {
	for _, policy := range r.policiesOf(pod) {
		for _, kind := range policy.Spec.PolicyTypes {
			if kind == networkingv1.PolicyTypeIngress && in == nil {
				in = []string{}
			}
			if kind == networkingv1.PolicyTypeEgress && out == nil {
				out = []string{}
			}
		}
		for _, rule := range policy.Spec.Ingress {
			in = append(in, r.ingress(policy.Namespace, pod, rule)...)
		}
		for _, rule := range policy.Spec.Egress {
			out = append(out, r.egress(policy.Namespace, rule)...)
		}
	}
	return in, out
}

func (r *policyRules) policiesOf(pod *v1.Pod) []*networkingv1.NetworkPolicy {
	all, _ := r.policies.NetworkPolicies(pod.Namespace).List(labels.Everything())
	all = slices.DeleteFunc(slices.Clone(all), func(p *networkingv1.NetworkPolicy) bool {
		return !matches(&p.Spec.PodSelector, pod.Labels)
	})
	slices.SortFunc(all, func(a, b *networkingv1.NetworkPolicy) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (r *policyRules) ingress(namespace string, pod *v1.Pod, rule networkingv1.NetworkPolicyIngressRule) []string {
	ports := portMatches(rule.Ports, pod)
	if len(rule.From) == 0 {
		return ports
	}
	pods, blocks := r.peers(namespace, rule.From)
	var out []string
	for _, port := range ports {
		for _, peer := range pods {
			out = append(out, "ip saddr "+peer.Status.PodIP+" "+port)
		}
		for _, block := range blocks {
			out = append(out, blockMatch("saddr", block)+" "+port)
		}
	}
	return out
}

func (r *policyRules) egress(namespace string, rule networkingv1.NetworkPolicyEgressRule) []string {
	if len(rule.To) == 0 {
		return portMatches(rule.Ports, nil)
	}
	pods, blocks := r.peers(namespace, rule.To)
	var out []string
	for _, peer := range pods {
		for _, port := range portMatches(rule.Ports, peer) {
			out = append(out, "ip daddr "+peer.Status.PodIP+" "+port)
		}
	}
	for _, block := range blocks {
		for _, port := range portMatches(rule.Ports, nil) {
			out = append(out, blockMatch("daddr", block)+" "+port)
		}
	}
	return out
}

// peers are the pods and the address blocks that a rule names.
func (r *policyRules) peers(namespace string, peers []networkingv1.NetworkPolicyPeer) (
	pods []*v1.Pod, blocks []*networkingv1.IPBlock,
) {
	live := r.livePods()
	for _, peer := range peers {
		if peer.IPBlock != nil {
			blocks = append(blocks, peer.IPBlock)
			continue
		}
		for _, pod := range live {
			if r.isPeer(namespace, pod, peer) {
				pods = append(pods, pod)
			}
		}
	}
	return pods, blocks
}

func (r *policyRules) isPeer(namespace string, pod *v1.Pod, peer networkingv1.NetworkPolicyPeer) bool {
	if peer.PodSelector != nil && !matches(peer.PodSelector, pod.Labels) {
		return false
	}
	if peer.NamespaceSelector == nil {
		return pod.Namespace == namespace
	}
	ns, err := r.namespaces.Get(pod.Namespace)
	return err == nil && matches(peer.NamespaceSelector, ns.Labels)
}

func matches(selector *metav1.LabelSelector, set map[string]string) bool {
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && s.Matches(labels.Set(set))
}

// portMatches are nft's words for the ports of a rule; named ports are those of
// the destination. No ports means all of them.
func portMatches(ports []networkingv1.NetworkPolicyPort, destination *v1.Pod) []string {
	if len(ports) == 0 {
		return []string{""}
	}
	var out []string
	for _, port := range ports {
		protocol := v1.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		if match := portMatch(port, protocol, destination); match != "" {
			out = append(out, match)
		}
	}
	return out
}

func portMatch(port networkingv1.NetworkPolicyPort, protocol v1.Protocol, destination *v1.Pod) string {
	name := strings.ToLower(string(protocol))
	switch {
	case port.Port == nil:
		return "meta l4proto " + name
	case port.Port.StrVal != "":
		if number := namedPort(destination, port.Port.StrVal, protocol); number != 0 {
			return fmt.Sprintf("%s dport %d", name, number)
		}
		return ""
	case port.EndPort != nil:
		return fmt.Sprintf("%s dport %d-%d", name, port.Port.IntVal, *port.EndPort)
	default:
		return fmt.Sprintf("%s dport %d", name, port.Port.IntVal)
	}
}

func namedPort(pod *v1.Pod, name string, protocol v1.Protocol) int32 {
	if pod == nil {
		return 0
	}
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, port := range container.Ports {
			same := port.Protocol == protocol || port.Protocol == "" && protocol == v1.ProtocolTCP
			if port.Name == name && same {
				return port.ContainerPort
			}
		}
	}
	return 0
}

func blockMatch(direction string, block *networkingv1.IPBlock) string {
	match := fmt.Sprintf("ip %s %s", direction, block.CIDR)
	if len(block.Except) > 0 {
		match += fmt.Sprintf(" ip %s != { %s }", direction, strings.Join(block.Except, ", "))
	}
	return match
}
