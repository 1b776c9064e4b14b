#!/usr/bin/env bash
# Measures everything that the README tells, each beside its floor in the same run: make bench
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cc >/dev/null || { echo "make bench needs a C compiler for hack/bench/tick: install gcc"; exit 1; }
cc -O2 -static -o bin/tick hack/bench/tick/tick.c
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
go build -o "$tools/" ./hack/bench/...

echo "== the operator over 500 processes, then 1000"
"$tools/host" -bin bin -tick bin/tick -n 500
"$tools/host" -bin bin -tick bin/tick -n 1000 -rest 5s
echo "== logs: 1 GiB of lines, and kill -9 of the sampler"
"$tools/logs"
echo "== limits and sandboxes"
"$tools/limits" -bin bin
echo "== kill -9 of operator and guardian"
"$tools/chaos" -long
"$tools/chaos" -cost
echo "== unchanged sets and single edits, in process"
go test -run '^$' -bench . -benchtime 20x $(go list ./reconcile/... ./controllers/... | grep -vE '/(audit|ledger)$') | grep -E '^(Benchmark|ok|pkg)'
echo "== the audit log: a record beside write(2) and fdatasync(2), and 100,000 verified beside reading and hashing them"
go test -run '^$' -bench . -benchtime 1s ./reconcile/audit | grep -E '^(Benchmark|ok)'
echo "== the token ledger: calls beside a bare write(2) and fdatasync(2), a million of them replayed and compacted, 10,000 budgets"
go test -run '^$' -bench . -benchtime 1s ./controllers/budget/ledger | grep -E '^(Benchmark|ok)'
