package admit_test

import (
	"fmt"
	"testing"

	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/source"
)

// BenchmarkAdmitCold is loading and admitting files that nobody has seen before.
func BenchmarkAdmitCold(b *testing.B) {
	for _, n := range []int{500, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var list []*source.File
			for i := range n {
				text := process(fmt.Sprintf("p%05d", i), "ports: [{name: http}]", "readinessProbe: {httpGet: {path: /, port: http}}", "dependsOn: [{process: p00000}]")
				if i == 0 {
					text = process("p00000")
				}
				list = append(list, file(fmt.Sprintf("d%d/p%05d.yaml", i/100, i), text))
			}
			for b.Loop() {
				s := admit.NewSet(admit.LoadAll(list, nil))
				if faults := admit.Admit(s, nil, world("home")); len(faults) > 0 {
					b.Fatal(faults)
				}
			}
		})
	}
}
