package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

const rollbackHelp = `Brings back what the nodes of a RedisCluster ran before, and with which settings.

These are spec.podTemplate, spec.config, spec.modules, spec.renamedCommands and spec.memory of a revision: of the one
before that of now, unless --to-revision names another. Pods are replaced as with every other change. How many masters
and replicas there are stays as it is.`

func (c *command) rollbackCommand() *cobra.Command {
	var number int64
	cmd := c.verb("rollback NAME", "Bring back what the nodes of a RedisCluster ran before",
		func(ctx context.Context, clients Clients, args []string) error {
			return c.rollback(ctx, clients, args[0], number)
		})
	cmd.Long = rollbackHelp
	cmd.Flags().Int64Var(&number, "to-revision", 0, "a revision that history lists; 0: the one before that of now")
	return cmd
}

// revisions are what a RedisCluster ran, the newest first.
func (c Clients) revisions(ctx context.Context, rc *redisv1.RedisCluster) ([]appsv1.ControllerRevision, error) {
	list, err := c.Kube.AppsV1().ControllerRevisions(rc.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: redisv1.LabelClusterUID + "=" + string(rc.UID),
	})
	if err != nil {
		return nil, fmt.Errorf("list the revisions of %s: %w", rc.Name, err)
	}
	slices.SortFunc(list.Items, func(a, b appsv1.ControllerRevision) int { return int(b.Revision - a.Revision) })
	return list.Items, nil
}

// history prints what a RedisCluster ran.
func (c *command) history(ctx context.Context, clients Clients, args []string) error {
	rc, err := clients.get(ctx, args[0])
	if err != nil {
		return err
	}
	revisions, err := clients.revisions(ctx, rc)
	if err != nil {
		return err
	}
	text, err := historyText(rc, revisions, c.now())
	if err != nil {
		return err
	}
	return c.print(text)
}

func historyText(rc *redisv1.RedisCluster, revisions []appsv1.ControllerRevision, now time.Time) (string, error) {
	if len(revisions) == 0 {
		return "", fmt.Errorf("%s has no history yet: the operator has not looked at it", rc.Name)
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(w, "REVISION\tFIRST USED\tIMAGE\tSETTINGS\tNOW")
	for i := range revisions {
		r, err := objects.ParseRevision(&revisions[i])
		if err != nil {
			return "", err
		}
		mark := ""
		if i == 0 {
			mark = "*"
		}
		_, _ = fmt.Fprintf(w, "%d\t%s ago\t%s\t%d\t%s\n", revisions[i].Revision,
			age(revisions[i].CreationTimestamp.Time, now), imageOf(r), len(r.Spec.Config), mark)
	}
	_ = w.Flush()
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n"), nil
}

func imageOf(r objects.Revision) string {
	for _, c := range r.Spec.PodTemplate.Spec.Containers {
		if c.Name == redisv1.ContainerRedis {
			return c.Image
		}
	}
	return ""
}

// rollback makes an earlier revision the spec again.
func (c *command) rollback(ctx context.Context, clients Clients, name string, number int64) error {
	rc, err := clients.get(ctx, name)
	if err != nil {
		return err
	}
	revisions, err := clients.revisions(ctx, rc)
	if err != nil {
		return err
	}
	if number == 0 {
		if len(revisions) < 2 {
			return fmt.Errorf("%s has run nothing else before", rc.Name)
		}
		number = revisions[1].Revision
	}
	at := slices.IndexFunc(revisions, func(r appsv1.ControllerRevision) bool { return r.Revision == number })
	if at < 0 {
		return fmt.Errorf("%s has no revision %d: %s lists those that are kept", rc.Name, number, ourCommand(rc, "history"))
	}
	if at == 0 && rc.Status.ObservedGeneration == rc.Generation {
		return c.print(fmt.Sprintf("rediscluster.%s/%s is of revision %d already\n", redisv1.GroupName, rc.Name, number))
	}
	revision, err := objects.ParseRevision(&revisions[at])
	if err != nil {
		return err
	}
	if err := clients.restore(ctx, rc, revision.Spec); err != nil {
		return err
	}
	return c.print(fmt.Sprintf("rediscluster.%s/%s goes back to revision %d: %s\nTo watch it: %s\n", redisv1.GroupName,
		rc.Name, number, imageOf(revision), ourCommand(rc, "status", "--watch")))
}

// restore replaces the fields whole, so that what was added since goes. It fails when the object was changed meanwhile.
func (c Clients) restore(ctx context.Context, rc *redisv1.RedisCluster, spec objects.RevisionSpec) error {
	patch := []map[string]any{
		{"op": "test", "path": "/metadata/uid", "value": rc.UID},
		{"op": "test", "path": "/metadata/generation", "value": rc.Generation},
		{"op": "add", "path": "/spec/podTemplate", "value": spec.PodTemplate},
		{"op": "add", "path": "/spec/memory", "value": spec.Memory},
	}
	for _, field := range []struct {
		path       string
		value      any
		wants, has int
	}{
		{"/spec/config", spec.Config, len(spec.Config), len(rc.Spec.Config)},
		{"/spec/modules", spec.Modules, len(spec.Modules), len(rc.Spec.Modules)},
		{"/spec/renamedCommands", spec.RenamedCommands, len(spec.RenamedCommands), len(rc.Spec.RenamedCommands)},
	} {
		switch {
		case field.wants > 0:
			patch = append(patch, map[string]any{"op": "add", "path": field.path, "value": field.value})
		case field.has > 0:
			patch = append(patch, map[string]any{"op": "remove", "path": field.path})
		}
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("encode patch: %w", err)
	}
	_, err = c.Redis.RedisoperatorV1().RedisClusters(rc.Namespace).Patch(ctx, rc.Name, types.JSONPatchType, text,
		metav1.PatchOptions{FieldManager: fieldManager})
	if err != nil {
		return fmt.Errorf("patch RedisCluster %s: %w", rc.Name, err)
	}
	return nil
}
