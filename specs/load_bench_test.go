package specs_test

import (
	"testing"

	"mirroros.dev/mirroros/specs"
)

const twelveLines = `apiVersion: mirroros.dev/v1alpha1
kind: Process
metadata:
  name: web
spec:
  command: [demomodel, --listen, "127.0.0.1:$(PORT_HTTP)"]
  ports:
  - {name: http}
  env:
  - {name: LOG_LEVEL, value: info}
  readinessProbe:
    httpGet: {path: /health, port: http}
`

func BenchmarkLoad(b *testing.B) {
	data := []byte(twelveLines)
	for b.Loop() {
		if _, faults := specs.Load("web.yaml", data); len(faults) > 0 {
			b.Fatal(faults)
		}
	}
}

// BenchmarkLoadFault is the long way, over nodes.
func BenchmarkLoadFault(b *testing.B) {
	data := []byte(twelveLines + "  comand: []\n")
	for b.Loop() {
		if _, faults := specs.Load("web.yaml", data); len(faults) != 1 {
			b.Fatal(faults)
		}
	}
}
