package k8s

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

// known are the types of the objects, by version and kind.
var known = map[string]reflect.Type{
	"v1 Namespace":                            reflect.TypeFor[core.Namespace](),
	"v1 ConfigMap":                            reflect.TypeFor[core.ConfigMap](),
	"v1 Secret":                               reflect.TypeFor[core.Secret](),
	"v1 Service":                              reflect.TypeFor[core.Service](),
	"v1 ServiceAccount":                       reflect.TypeFor[core.ServiceAccount](),
	"v1 PersistentVolumeClaim":                reflect.TypeFor[core.PersistentVolumeClaim](),
	"apps/v1 Deployment":                      reflect.TypeFor[apps.Deployment](),
	"apps/v1 StatefulSet":                     reflect.TypeFor[apps.StatefulSet](),
	"batch/v1 Job":                            reflect.TypeFor[batch.Job](),
	"batch/v1 CronJob":                        reflect.TypeFor[batch.CronJob](),
	"policy/v1 PodDisruptionBudget":           reflect.TypeFor[policy.PodDisruptionBudget](),
	"networking.k8s.io/v1 NetworkPolicy":      reflect.TypeFor[networking.NetworkPolicy](),
	"monitoring.coreos.com/v1 ServiceMonitor": reflect.TypeFor[monitoring.ServiceMonitor](),
	"keda.sh/v1alpha1 ScaledObject":           reflect.TypeFor[scaledObject](),
}

// scaledObject is what the rules look at of KEDA's type; its CRD checks the rest.
type scaledObject struct {
	Kind     string
	Metadata struct{ Name, Namespace string }
	Spec     struct {
		ScaleTargetRef struct{ Name string }
		Triggers       []struct {
			Type     string
			Metadata map[string]string
		}
	}
}

// decode returns the object of d in its own type. What that doesn't know, or knows
// twice, is refused.
func decode(d document) (any, error) {
	t, ok := known[d.apiVersion+" "+d.kind]
	if !ok {
		return nil, fmt.Errorf("%s: no type is known for %s %s", d, d.apiVersion, d.kind)
	}
	if t == reflect.TypeFor[scaledObject]() {
		if err := checkCRD(d); err != nil {
			return nil, fmt.Errorf("%s: %w", d, err)
		}
		o := &scaledObject{}
		return o, yaml.Unmarshal(d.yaml, o)
	}
	o := reflect.New(t).Interface()
	if err := yaml.UnmarshalStrict(d.yaml, o); err != nil {
		return nil, fmt.Errorf("%s: %w", d, err)
	}
	return o, nil
}

func TestObjectsAreOfTheirTypes(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		for _, d := range build(t, overlay) {
			if _, err := decode(d); err != nil {
				t.Errorf("%s: %v", overlay, err)
			}
		}
	}
	for name, d := range map[string]document{
		"unknown field":        {"apps/v1", "Deployment", "x", []byte("spec: {replica: 2}")},
		"field of wrong depth": {"v1", "Service", "x", []byte("spec: {port: 80}")},
		"twice":                {"v1", "ConfigMap", "x", []byte("data: {a: b}\ndata: {a: c}")},
		"wrong type":           {"apps/v1", "Deployment", "x", []byte("spec: {replicas: two}")},
		"unknown kind":         {"apps/v2", "Deployment", "x", []byte("spec: {}")},
		"KEDA's unknown":       {"keda.sh/v1alpha1", "ScaledObject", "x", []byte("spec: {scaleTargetRef: {name: x}, triggers: [], maxReplicas: 3}")},
		"KEDA's missing":       {"keda.sh/v1alpha1", "ScaledObject", "x", []byte("spec: {scaleTargetRef: {name: x}}")},
	} {
		if _, err := decode(d); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// checkCRD holds an object against the definition that KEDA installs.
func checkCRD(d document) error {
	schema, err := scaledObjects()
	if err != nil {
		return err
	}
	text, err := yaml.YAMLToJSONStrict(d.yaml)
	if err != nil {
		return err
	}
	object, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		return err
	}
	return schema.Validate(object)
}

// scaledObjects is the schema of KEDA's definition, from the version in go.mod.
var scaledObjects = sync.OnceValues(func() (*jsonschema.Schema, error) {
	// Nothing imports it, so that no build has downloaded it.
	out, err := exec.Command("go", "mod", "download", "-json", "github.com/kedacore/keda/v2").Output()
	var module struct{ Dir string }
	if err == nil {
		err = json.Unmarshal(out, &module)
	}
	if err != nil {
		return nil, fmt.Errorf("find KEDA's definitions: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(module.Dir, "config/crd/bases/keda.sh_scaledobjects.yaml"))
	if err != nil {
		return nil, err
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Name   string
				Schema struct {
					OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		return nil, err
	}
	for _, v := range crd.Spec.Versions {
		if v.Name != "v1alpha1" {
			continue
		}
		root := v.Schema.OpenAPIV3Schema
		// Kubernetes has its own idea of these.
		maps.DeleteFunc(root["properties"].(map[string]any), func(name string, _ any) bool { return name == "metadata" || name == "status" })
		closeObjects(root)
		root["properties"].(map[string]any)["metadata"] = map[string]any{"type": "object"}
		plain, err := json.Marshal(root)
		if err != nil {
			return nil, err
		}
		schema, err := jsonschema.UnmarshalJSON(strings.NewReader(string(plain)))
		if err != nil {
			return nil, err
		}
		compiler := jsonschema.NewCompiler()
		if err := compiler.AddResource("keda.json", schema); err != nil {
			return nil, err
		}
		return compiler.Compile("keda.json")
	}
	return nil, errors.New("KEDA defines no v1alpha1 of ScaledObject")
})

// closeObjects has a schema refuse fields that it doesn't name, as kubectl does, and
// take integers or text where Kubernetes does.
func closeObjects(schema map[string]any) {
	if properties, ok := schema["properties"].(map[string]any); ok && schema["x-kubernetes-preserve-unknown-fields"] != true {
		if _, open := schema["additionalProperties"]; !open {
			schema["additionalProperties"] = false
		}
		for _, p := range properties {
			closeObjects(p.(map[string]any))
		}
	}
	delete(schema, "format") // int32 is no format of JSON Schema
	for _, inner := range []string{"items", "additionalProperties"} {
		if one, ok := schema[inner].(map[string]any); ok {
			closeObjects(one)
		}
	}
	for _, several := range []string{"anyOf", "oneOf", "allOf"} {
		if all, ok := schema[several].([]any); ok {
			for _, one := range slices.Clone(all) {
				if s, ok := one.(map[string]any); ok && s["properties"] == nil {
					closeObjects(s)
				}
			}
		}
	}
}
