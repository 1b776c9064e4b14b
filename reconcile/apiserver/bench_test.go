package apiserver_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/apiserver"
	"mirroros.dev/mirroros/specs"
)

// many makes n Processes of a usual size, in one transaction.
func many(b *testing.B, a *api, n int) {
	b.Helper()
	docs, faults := specs.Load("web.yaml", []byte(manifest("web", `
  why: answers chat for the house
  version: v1.2.3
  command: [server, --listen, "127.0.0.1:$(PORT_HTTP)", --model, $(VERSION)]
  ports: [{name: http}]
  env: [{name: LOG_LEVEL, value: info}, {name: MODE, value: production}]
  readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 2}
  livenessProbe: {httpGet: {path: /health, port: http}, failureThreshold: 3}
`)))
	if len(faults) > 0 {
		b.Fatal(faults)
	}
	_, err := a.client.Txn(context.Background(), func(t *reconcile.ClientTx) error {
		for i := range n {
			o := specs.Copy(docs[0].Object)
			o.SetName(fmt.Sprintf("web-%05d", i))
			o.SetLabels(map[string]string{"tier": "model", specs.LabelStack: "home"})
			if _, err := t.Create(o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkList10k(b *testing.B) {
	a := serve(b, apiserver.Options{})
	many(b, a, 10000)
	for name, accept := range map[string]string{"JSON": jsonType, "Table": asTable, "Metadata": asMetadata} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				res := a.open(context.Background(), "GET", processes, "", "Accept", accept)
				n, err := io.Copy(io.Discard, res.Body)
				if res.Body.Close(); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(n)/1e6, "MB")
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	a := serve(b, apiserver.Options{})
	many(b, a, 1)
	for b.Loop() {
		a.get(processes + "/web-00000")
	}
}

// BenchmarkWrite writes one field over and over: a merge patch and an apply go through the whole way, and wait for the disk.
func BenchmarkWrite(b *testing.B) {
	for name, send := range map[string]func(a *api, i int) response{
		"MergePatch": func(a *api, i int) response {
			return a.send("PATCH", processes+"/web-00000", merge, fmt.Sprintf(`{"spec":{"why":"%d"}}`, i))
		},
		"Apply": func(a *api, i int) response {
			return a.send("PATCH", processes+"/web-00000?fieldManager=bench", applyYAML, manifest("web-00000", fmt.Sprintf(`{why: "%d"}`, i)))
		},
		"DryRun": func(a *api, i int) response {
			return a.send("PATCH", processes+"/web-00000?dryRun=All", merge, fmt.Sprintf(`{"spec":{"why":"%d"}}`, i))
		},
		"NoChange": func(a *api, _ int) response {
			return a.send("PATCH", processes+"/web-00000", merge, `{}`)
		},
	} {
		b.Run(name, func(b *testing.B) {
			a := serve(b, apiserver.Options{})
			many(b, a, 1)
			for i := 0; b.Loop(); i++ {
				if r := send(a, i); r.code != 200 {
					b.Fatal(r.body)
				}
			}
		})
	}
}
