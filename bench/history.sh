#!/usr/bin/env bash
# Very many jobs that have ended: what they cost those who poll, and the service's memory. The service
# has a heap of 256 MiB. First with 1,000 jobs; then 500,000 are put into its database, it is started
# again, and is polled for a minute, nodes and the first page of jobs beside each other, while a node
# changes each 0.2 s and it prunes what is beyond jobs.keep_most; then when it has pruned.
#   bench/history.sh
# BENCH_JOBS (500000), BENCH_SECONDS (60) and BENCH_RATE (200 polls a second of each list) make it
# shorter.
set -Eeuo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
jobs=${BENCH_JOBS:-500000} seconds=${BENCH_SECONDS:-60} rate=${BENCH_RATE:-200}
few=1000 nodes=100
work=$here/target/bench-history
service=http://127.0.0.1:18486
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
export no_proxy=127.0.0.1

fail() {
  echo "history.sh: $*" >&2
  exit 1
}
pid=
children=()
stop() {
  [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
  [ -z "$pid" ] || wait "$pid" || true
  pid=
}
end() {
  local child
  for child in "${children[@]}"; do
    kill "$child" 2>/dev/null || true
  done
  stop
}
trap end EXIT
trap 'echo "history.sh: failed in line $LINENO" >&2' ERR

rm -rf "$work"
mkdir -p "$work/classes" "$work/conf"
"${java}c" -Xlint:none -nowarn -d "$work/classes" -cp "$here/target/lib/*" "$here"/bench/*.java 2>"$work/javac.log" ||
  fail "the programs do not compile: $(cat "$work/javac.log")"
cat >"$work/conf/api.yaml" <<YAML
state_dir: ../var
api_password: bench
server: {port: ${service##*:}}
database: {data_dir: ../var/db}
jobs: {log_dir: ../var/log}
YAML
cat >"$work/conf/nodepool.yaml" <<YAML
images-dir: $work/images
providers:
  - {name: local-directory, driver: directory, directory: $work/directory}
YAML

now() { date +%s%N; }
# get PATH: prints its status
get() { curl -s -o /dev/null -w '%{http_code}' "$service$1"; }
# start: prints the milliseconds from the start to the first answers of both lists
start() {
  local began
  began=$(now)
  "$java" -Xmx256m -jar "$here/target/nodepool.jar" --config "$work/conf/api.yaml" >>"$work/service.log" 2>&1 &
  pid=$!
  until [ "$(get /v1/nodes)" = 200 ]; do
    [ $(($(now) - began)) -lt 60000000000 ] || fail "the service does not start: $(tail -n 3 "$work/service.log")"
    sleep 0.02
  done
  nodes_ms=$((($(now) - began) / 1000000))
  until [ "$(get '/v1/jobs?limit=10')" = 200 ]; do
    [ $(($(now) - began)) -lt 60000000000 ] || fail "no list of jobs: $(tail -n 3 "$work/service.log")"
    sleep 0.02
  done
  jobs_ms=$((($(now) - began) / 1000000))
}
data() { "$java" -cp "$work/classes:$here/target/nodepool.jar" Data "$1" "$(cat "$work/var/db/dburi")" "${@:2}"; }
# in use after a collection, in KiB
heap() {
  get /v1/nodes >/dev/null
  get /v1/jobs >/dev/null
  local i
  for i in 1 2 3; do "${java%java}jcmd" "$pid" GC.run >/dev/null; done
  "${java%java}jcmd" "$pid" GC.heap_info | sed -n 's/.* used \([0-9]*\)K.*/\1/p' | head -n 1
}

start
echo "first start: /v1/nodes after $nodes_ms ms"
data rows $nodes
data jobs $few
sleep 1
few_heap=$(heap)
began=$(now)
data jobs $((jobs - few))
echo "$((jobs - few)) jobs put in within $((($(now) - began) / 1000000000)) s, with triggers"
stop
start
echo "start with $jobs ended jobs: /v1/nodes after $nodes_ms ms, /v1/jobs?limit=10 after $jobs_ms ms"

coproc changes { data changes $nodes; }
children+=("$changes_PID")
read -r _ <&"${changes[0]}"
echo 5 >&"${changes[1]}"
load() { "$java" -cp "$work/classes:$here/target/nodepool.jar" Load latency $nodes "$rate" 1 "${3:-$seconds}" "$1=$service$2"; }
# compiled before it is measured
load warm /v1/nodes 10 >"$work/warm" &
warm=$!
load warm '/v1/jobs?limit=10' 10 >>"$work/warm"
wait "$warm"
load nodes /v1/nodes >"$work/nodes" &
children+=($!)
load jobs '/v1/jobs?limit=10' >"$work/jobs" &
children+=($!)
wait "${children[1]}" "${children[2]}"
for list in nodes jobs; do
  IFS=$'\t' read -r _ _ name at median most mostly errors <"$work/$list"
  echo "$name, $at polls/s for $seconds s: median $median ms, 99 % $most ms, 99.9 % $mostly ms, errors: $errors"
done
echo 0 >&"${changes[1]}"
kill "${children[0]}" 2>/dev/null || true

# whatever is left to be pruned
began=$(now)
rows() { data count; }
until [ "$(rows)" -le 20500 ]; do
  [ $(($(now) - began)) -lt 1800000000000 ] || fail "it is not pruned: $(rows) jobs"
  sleep 5
done
echo "pruned to $(rows) jobs, $((($(now) - began) / 1000000000)) s after that"
sleep 31
many_heap=$(heap)
echo "heap in use: $((few_heap / 1024)) MiB with $few jobs, $((many_heap / 1024)) MiB when pruned: $(((many_heap - few_heap) / 1024)) MiB more"
