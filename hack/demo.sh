#!/usr/bin/env bash
# Tells the whole story by itself, in under a minute: make demo
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
export PATH="$root/bin:$PATH"
dir=$(mktemp -d "${TMPDIR:-/tmp}/mirroros-demo.XXXXXX")
mkdir "$dir/stack"
cp manifests/quickstart/*.yaml "$dir/stack/"
export MIRROROS_RUN=$dir/run

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$(printf '\033[1m'); dim=$(printf '\033[2m'); off=$(printf '\033[0m'); else bold=; dim=; off=; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$off"; }
try() { printf '%s$ %s%s\n' "$dim" "$*" "$off"; "$@"; }
no() { printf '%s$ %s%s\n' "$dim" "$*" "$off"; if "$@" 2>&1; then fail "expected a no: $*"; fi; }
fail() { echo "demo: $*" >&2; exit 1; }

finish() {
	code=$?
	mirrorctl shutdown --timeout 20s >/dev/null 2>&1 || true
	wait "${operator:-}" 2>/dev/null || true
	[ $code -eq 0 ] || { echo "--- operator log"; tail -n 40 "$dir/operator.log"; }
	rm -rf "$dir"
	exit $code
}
trap finish EXIT

pid_of() { mirrorctl get instances -l "mirroros.dev/process=$1" -o 'jsonpath={.items[*].status.pid}'; }
host() { mirrorctl get --raw /mirroros/host | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
until_true() { # until_true SECONDS WORDS...: no sleeping longer than it takes
	local end=$((SECONDS + $1)); shift
	until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || fail "still not so: $*"; read -rt 0.05 <> <(:) || true; done
}

say "1. A directory of manifests becomes running processes"
mirrorosd --manifests "$dir/stack" --state "$dir/state" >"$dir/operator.log" 2>&1 &
operator=$!
until_true 10 mirrorctl version
until_true 10 mirrorctl get process/chat-model
try mirrorctl wait process/chat-model process/worker process/first-words --timeout 20s
until_true 10 mirrorctl status # the gate's own process may be a moment behind what it serves
try mirrorctl get processes
try mirrorctl status

say "2. One edit replaces exactly the process that it is about"
worker=$(pid_of worker) model=$(pid_of chat-model)
sed -i.old 's/version: tiny-1/version: tiny-2/' "$dir/stack/stack.yaml" && rm "$dir/stack/stack.yaml.old"
replaced() { local p; p=$(pid_of chat-model) && [ -n "$p" ] && [ "$p" != "$model" ]; }
until_true 15 replaced
try mirrorctl wait process/chat-model --timeout 20s
[ "$(pid_of worker)" = "$worker" ] || fail "the worker was touched"
echo "chat-model: pid $model -> $(pid_of chat-model); worker: still pid $worker"
try mirrorctl events --for process/chat-model

say "3. A broken manifest is refused, with file and line, and everything runs on"
model=$(pid_of chat-model)
printf 'apiVersion: mirroros.dev/v1alpha1\nkind: Process\nmetadata: {name: typo}\nspec:\n  comand: [sleep, "60"]\n  replicas: two\n' >"$dir/stack/typo.yaml"
no mirrorctl validate -f "$dir/stack"
told() { [[ $(mirrorctl status 2>&1 || true) == *typo.yaml* ]]; }
until_true 10 told
no mirrorctl status
[ "$(pid_of chat-model)" = "$model" ] && [ "$(pid_of worker)" = "$worker" ] || fail "something was touched"
rm "$dir/stack/typo.yaml"
until_true 10 mirrorctl status

say "4. Nothing passes the gate that no rule allows, and every decision can be shown"
OPENAI_API_KEY=$(mirrorctl token create scout --ttl 1h 2>/dev/null)
export OPENAI_API_KEY MCP_TOKEN=$OPENAI_API_KEY
gate=http://$(mirrorctl get gate front -o 'jsonpath={.status.address}')
try demoworker --base-url "$gate/v1" --model house-chat --count 1 --prompt "Say the word mirror."
try mirrorctl can-i call chat --as scout
no demoworker --base-url "$gate/v1" --model house-chat --count 1 --max-tokens 3000 --prompt "Tell me everything." | tee "$dir/refused"
request=$(sed -n 's/.*(request \([0-9A-Z]*\)).*/\1/p' "$dir/refused")
[ -n "$request" ] || fail "the refusal names no request"
try mirrorctl why "$request"
try demotools call --url "$gate/mcp/tools"
try demotools call --url "$gate/mcp/tools" clock
no demotools call --url "$gate/mcp/tools" wipe
no mirrorctl can-i call tools:wipe --as scout
shadowed() { [ "$(mirrorctl get gaterule no-long-answers -o 'jsonpath={.status.shadowHits}')" != 0 ]; }
until_true 5 shadowed
try mirrorctl get gaterules -o wide
try mirrorctl audit verify

say "5. An agent that runs out is told when it may go on, and a raised limit holds a moment later"
echo "(budgets.yaml, agents: tokens: 100k -> tokens: 400)"
sed -i.old 's/tokens: 100k/tokens: 400/' "$dir/stack/budgets.yaml" && rm "$dir/stack/budgets.yaml.old"
lowered() { [ "$(mirrorctl get tokenbudget agents -o 'jsonpath={.status.limits[0].limit}')" = 400 ]; }
until_true 10 lowered
out() { ! demoworker --base-url "$gate/v1" --model house-chat --count 1 --prompt "Say the word mirror." >"$dir/out" 2>&1; }
until_true 10 out
cat "$dir/out"
grep -q 'there is room in' "$dir/out" || fail "the refusal does not say when there is room"
try mirrorctl budget show agents --by principal
echo "(budgets.yaml, agents: tokens: 400 -> tokens: 100k)"
sed -i.old 's/tokens: 400/tokens: 100k/' "$dir/stack/budgets.yaml" && rm "$dir/stack/budgets.yaml.old"
through() { demoworker --base-url "$gate/v1" --model house-chat --count 1 --prompt "Say the word mirror."; }
until_true 10 through
try demoworker --base-url "$gate/v1" --model house-chat --count 1 --prompt "Say the word mirror."
try mirrorctl top budgets
try mirrorctl budget verify

say "6. kill -9 of a process: it is back at once"
kill -9 "$worker"
back() { local p; p=$(pid_of worker) && [ -n "$p" ] && [ "$p" != "$worker" ]; }
until_true 10 back
try mirrorctl get instances
worker=$(pid_of worker)

say "7. kill -9 of the operator: nothing stops, nothing doubles, nothing is lost"
old=$(host pid)
echo "$ kill -9 $old"
kill -9 "$old"
again() { local p; p=$(host pid) && [ -n "$p" ] && [ "$p" != "$old" ]; }
until_true 10 again
until_true 10 mirrorctl status
[ "$(pid_of chat-model)" = "$model" ] && [ "$(pid_of worker)" = "$worker" ] || fail "a process was touched"
echo "operator: pid $old -> $(host pid); chat-model: still pid $model; worker: still pid $worker"
try mirrorctl logs worker --tail 3
try mirrorctl status

say "8. kill -9 of the gate: whoever connects waits a moment, nobody is refused"
old=$(pid_of mirrorgate)
echo "$ kill -9 $old"
kill -9 "$old"
try demoworker --base-url "$gate/v1" --model house-chat --count 1 --prompt "Say the word mirror."
fresh() { local p; p=$(pid_of mirrorgate) && [ -n "$p" ] && [ "$p" != "$old" ]; }
until_true 10 fresh
until_true 10 mirrorctl status
try mirrorctl audit verify

say "9. The end: everything is stopped, dependents first"
try mirrorctl shutdown
wait "$operator" || fail "the operator did not end well"
operator=
echo
echo "That was it. Next: make run, then edit manifests/quickstart/stack.yaml."
