// Crddoc finishes the CRD that controller-gen wrote and writes its reference page.
//
// The schema of a pod template is 600 kB with its descriptions, which is more than an annotation of
// `kubectl apply` takes and nothing that this API says itself. So descriptions below spec.podTemplate
// are dropped; the schema stays whole, since a field that the API server lets through and the operator
// cannot decode would stop every cluster at once.
//
//	crddoc CRD.yaml REFERENCE.md
package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: crddoc CRD.yaml REFERENCE.md")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "crddoc:", err)
		os.Exit(1)
	}
}

type object = map[string]any

func run(crdFile, docFile string) error {
	text, err := os.ReadFile(crdFile) //nolint:gosec // the file is named by the Makefile
	if err != nil {
		return err
	}
	var crd object
	if err = yaml.Unmarshal(text, &crd); err != nil {
		return fmt.Errorf("%s: %w", crdFile, err)
	}
	schema := crd["spec"].(object)["versions"].([]any)[0].(object)["schema"].(object)["openAPIV3Schema"].(object)
	template := property(property(schema, "spec"), "podTemplate")
	own := template["description"]
	dropDescriptions(template)
	template["description"] = own
	out, err := yaml.Marshal(crd)
	if err != nil {
		return err
	}
	if err = os.WriteFile(crdFile, append([]byte("---\n"), out...), 0o644); err != nil { //nolint:gosec // a public file
		return err
	}
	return os.WriteFile(docFile, reference(schema), 0o644) //nolint:gosec // a public file
}

func property(schema object, name string) object {
	return schema["properties"].(object)[name].(object)
}

func dropDescriptions(v any) {
	switch v := v.(type) {
	case object:
		if _, isText := v["description"].(string); isText {
			delete(v, "description")
		}
		for _, child := range v {
			dropDescriptions(child)
		}
	case []any:
		for _, child := range v {
			dropDescriptions(child)
		}
	}
}

func reference(schema object) []byte {
	var b bytes.Buffer
	b.WriteString("# RedisCluster reference\n\nGenerated from the CRD by `make generate`. API `redisoperator.io/v1`, kind `RedisCluster`, short name `rdc`.\n" +
		"`kubectl explain rediscluster.spec --recursive` shows the same.\n")
	for _, part := range []string{"spec", "status"} {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| field | type | default | what it is |\n|---|---|---|---|\n", part, oneLine(property(schema, part)["description"]))
		fields(&b, part, property(schema, part))
	}
	b.WriteString("\n## Refusals\n\nThe API server refuses an object with one of these messages:\n\n")
	var messages []string
	collectMessages(schema, &messages)
	slices.Sort(messages)
	for _, m := range slices.Compact(messages) {
		fmt.Fprintf(&b, "- %s\n", m)
	}
	return b.Bytes()
}

func fields(b *bytes.Buffer, path string, schema object) {
	properties, _ := schema["properties"].(object)
	names := make([]string, 0, len(properties))
	for name := range properties {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		field := properties[name].(object)
		full := path + "." + name
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", full, typeOf(field), defaultOf(field), oneLine(field["description"]))
		if name == "podTemplate" || name == "conditions" {
			continue
		}
		fields(b, full, field)
		if items, ok := field["items"].(object); ok {
			fields(b, full+"[]", items)
		}
	}
}

func typeOf(field object) string {
	kind, _ := field["type"].(string)
	if field["x-kubernetes-int-or-string"] == true {
		kind = "quantity"
	}
	if items, ok := field["items"].(object); ok {
		kind = "list of " + typeOf(items)
	}
	if values, ok := field["additionalProperties"].(object); ok {
		kind = "map to " + typeOf(values)
	}
	if choices, ok := field["enum"].([]any); ok {
		words := make([]string, len(choices))
		for i, c := range choices {
			words[i] = fmt.Sprintf("`%v`", c)
		}
		kind = strings.Join(words, ", ")
	}
	low, hasLow := field["minimum"]
	high, hasHigh := field["maximum"]
	if hasLow && hasHigh {
		kind += fmt.Sprintf(", %v to %v", low, high)
	}
	return kind
}

func defaultOf(field object) string {
	value, ok := field["default"]
	if _, isObject := value.(object); !ok || isObject {
		return ""
	}
	return fmt.Sprintf("`%v`", value)
}

func oneLine(text any) string {
	s, _ := text.(string)
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", "\\|")
}

func collectMessages(v any, messages *[]string) {
	switch v := v.(type) {
	case object:
		if rules, ok := v["x-kubernetes-validations"].([]any); ok {
			for _, rule := range rules {
				if m, ok := rule.(object)["message"].(string); ok {
					*messages = append(*messages, m)
				}
			}
		}
		for name, child := range v {
			if name != "podTemplate" {
				collectMessages(child, messages)
				continue
			}
			if rules, ok := child.(object)["x-kubernetes-validations"]; ok {
				collectMessages(object{"x-kubernetes-validations": rules}, messages)
			}
		}
	case []any:
		for _, child := range v {
			collectMessages(child, messages)
		}
	}
}
