package plugin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/yaml"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// manifestMax is the bytes of a manifest: more than an API server takes.
const manifestMax = 4 << 20

// readManifest finds the spec for a RedisCluster in a file, or in what is piped in when the file is "-". Other objects
// beside it are passed over.
func readManifest(in io.Reader, path string, live *redisv1.RedisCluster) (*redisv1.RedisClusterSpec, error) {
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("read manifest: %w", err)
		}
		defer file.Close() //nolint:errcheck // it was only read
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, manifestMax+1))
	if err == nil && len(text) > manifestMax {
		err = fmt.Errorf("it is larger than %s", formatBytes(manifestMax))
	}
	var spec *redisv1.RedisClusterSpec
	if err == nil {
		spec, err = findSpec(text, live)
	}
	if err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", path, err)
	}
	return spec, nil
}

// findSpec is the spec of the document that is about this RedisCluster.
func findSpec(text []byte, live *redisv1.RedisCluster) (*redisv1.RedisClusterSpec, error) {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	var others []string
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		var about metav1.PartialObjectMetadata
		if err := yaml.Unmarshal(document, &about); err != nil {
			return nil, err
		}
		switch {
		case about.Kind != "RedisCluster" || about.APIVersion != redisv1.SchemeGroupVersion.String():
		case about.Name != live.Name || about.Namespace != "" && about.Namespace != live.Namespace:
			others = append(others, strings.TrimPrefix(about.Namespace+"/"+about.Name, "/"))
		default:
			var rc redisv1.RedisCluster
			if err := yaml.UnmarshalStrict(document, &rc); err != nil {
				return nil, err
			}
			return &rc.Spec, nil
		}
	}
	if len(others) > 0 {
		return nil, fmt.Errorf("it is about %s, not %s/%s", strings.Join(others, ", "), live.Namespace, live.Name)
	}
	return nil, fmt.Errorf("it has no RedisCluster of %s", redisv1.SchemeGroupVersion)
}

// tryUpdate is a RedisCluster as the API server would store it with a changed spec. Nothing is stored.
func (c Clients) tryUpdate(
	ctx context.Context, name string, change func(*redisv1.RedisCluster),
) (*redisv1.RedisCluster, error) {
	var tried *redisv1.RedisCluster
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error { // the operator writes the status meanwhile
		rc, err := c.Redis.RedisoperatorV1().RedisClusters(c.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		change(rc)
		tried, err = c.Redis.RedisoperatorV1().RedisClusters(c.Namespace).Update(ctx, rc,
			metav1.UpdateOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: fieldManager})
		return err
	})
	if apierrors.IsInvalid(err) {
		return nil, fmt.Errorf("the API server refuses this spec: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the API server whether it takes this spec: %w", err)
	}
	redisv1.SetDefaults(tried)
	return tried, nil
}

// outlinedFields of the spec are what a plan is made of, or say how it is carried out.
var outlinedFields = []string{
	"migration", "numberOfMaster", "paused", "placement", "podTemplate", "replicationFactor", "update",
}

// notOutlined are the fields in which two specs differ and which a plan says nothing of, sorted.
func notOutlined(a, b redisv1.RedisClusterSpec) []string {
	a.Storage.StorageClassName, b.Storage.StorageClassName = nil, nil
	one, other := fieldsOf(&a), fieldsOf(&b)
	var found []string
	for _, side := range []map[string]any{one, other} {
		for name := range side {
			if !reflect.DeepEqual(one[name], other[name]) && !slices.Contains(outlinedFields, name) {
				found = append(found, "spec."+name)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func fieldsOf(spec *redisv1.RedisClusterSpec) map[string]any {
	fields := map[string]any{}
	text, err := json.Marshal(spec)
	if err == nil {
		err = json.Unmarshal(text, &fields)
	}
	if err != nil {
		return nil // a spec that came as JSON goes back to JSON
	}
	return fields
}
