package k8s

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// set is all objects of an overlay, decoded, by kind and name.
type set map[string]any

// objects returns an overlay's. They are the caller's to change.
func objects(t testing.TB, overlay string) set {
	t.Helper()
	s := set{}
	for _, d := range build(t, overlay) {
		o, err := decode(d)
		if err != nil {
			t.Fatalf("%s: %v", overlay, err)
		}
		s[d.String()] = o
	}
	return s
}

// all returns the objects of type T, by name.
func all[T any](s set) map[string]*T {
	found := map[string]*T{}
	for name, o := range s {
		if one, ok := o.(*T); ok {
			found[name] = one
		}
	}
	return found
}

// pod is what a workload starts.
type pod struct {
	name     string // of the workload, such as Deployment/worker
	labels   map[string]string
	spec     *core.PodSpec
	meta     *metav1.ObjectMeta
	replicas int
	lasting  bool // it runs until somebody stops it
	claims   []core.PersistentVolumeClaim
}

func (p pod) containers() []core.Container {
	return slices.Concat(p.spec.InitContainers, p.spec.Containers)
}

// pods are what all workloads start, in order.
func (s set) pods() []pod {
	var found []pod
	for _, name := range slices.Sorted(maps.Keys(s)) {
		add := func(template *core.PodTemplateSpec, lasting bool, replicas *int32) {
			p := pod{name: name, labels: template.Labels, spec: &template.Spec, meta: &template.ObjectMeta, lasting: lasting, replicas: 1}
			if replicas != nil {
				p.replicas = int(*replicas)
			}
			found = append(found, p)
		}
		switch o := s[name].(type) {
		case *apps.Deployment:
			add(&o.Spec.Template, true, o.Spec.Replicas)
		case *apps.StatefulSet:
			add(&o.Spec.Template, true, o.Spec.Replicas)
			found[len(found)-1].claims = o.Spec.VolumeClaimTemplates
		case *batch.Job:
			add(&o.Spec.Template, false, nil)
		case *batch.CronJob:
			add(&o.Spec.JobTemplate.Spec.Template, false, nil)
		}
	}
	return found
}

// configMap is the data of the one that was made under that name, a suffix aside.
func (s set) configMap(name string) map[string]string {
	for _, m := range all[core.ConfigMap](s) {
		if m.Name == name || strings.HasPrefix(m.Name, name+"-") && len(m.Name) == len(name)+len("-0123456789") {
			return m.Data
		}
	}
	return nil
}

// environment resolves the variables of a container, as the kubelet does. Of the pod
// itself it knows no more than that there is a value.
func (s set) environment(c core.Container) (map[string]string, error) {
	variables := map[string]string{}
	for _, from := range c.EnvFrom {
		if from.ConfigMapRef == nil {
			return nil, fmt.Errorf("variables come from %v: where a Secret is needed, name it for its variable", from)
		}
		m, ok := s["ConfigMap/"+from.ConfigMapRef.Name].(*core.ConfigMap)
		if !ok {
			return nil, fmt.Errorf("no ConfigMap %s", from.ConfigMapRef.Name)
		}
		maps.Copy(variables, m.Data)
	}
	for _, v := range c.Env {
		switch {
		case v.ValueFrom == nil:
			variables[v.Name] = v.Value
		case v.ValueFrom.ConfigMapKeyRef != nil:
			ref := v.ValueFrom.ConfigMapKeyRef
			m, ok := s["ConfigMap/"+ref.Name].(*core.ConfigMap)
			if !ok || m.Data[ref.Key] == "" {
				return nil, fmt.Errorf("%s: ConfigMap %s has no %s", v.Name, ref.Name, ref.Key)
			}
			variables[v.Name] = m.Data[ref.Key]
		case v.ValueFrom.FieldRef != nil, v.ValueFrom.SecretKeyRef != nil:
			variables[v.Name] = "known when it runs"
		default:
			return nil, fmt.Errorf("%s comes from %v", v.Name, reflect.ValueOf(*v.ValueFrom))
		}
	}
	return variables, nil
}
