package wire_test

import (
	"reflect"
	"time"
)

// fields says of each exported field of each struct met, as package.Type.Field,
// whether any value had it set.
type fields map[string]bool

// add looks at v and all it holds.
func (f fields) add(v any) { f.walk(reflect.ValueOf(v)) }

func (f fields) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			f.walk(v.Elem())
		}
	case reflect.Map:
		for _, value := range v.Seq2() {
			f.walk(value)
		}
	case reflect.Slice:
		for i := range v.Len() {
			f.walk(v.Index(i))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for field, value := range v.Fields() {
			if !field.IsExported() {
				continue
			}
			name := v.Type().String() + "." + field.Name
			f[name] = f[name] || !value.IsZero()
			f.walk(value)
		}
	}
}
