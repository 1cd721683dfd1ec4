#!/usr/bin/env bash
# How fast a poll is answered, GET /v1/nodes, beside what it is measured by, all on this machine, in
# one run, each round every contender in turn:
#   A  a bare Vert.x server that sends the same headers and bytes from one buffer
#   D  the same with one shared probe of the database before each answer, the least that a fresh one takes
#   B  a handler that reads the rows for every request
#   N  nginx with a file of the same bytes
#   C  the service, with its embedded database
# Prints its report, and keeps it in docs/performance.md unless it is less than the whole:
#   bench/polls.sh
# BENCH_ROUNDS (5, and 11 for up to 100 nodes) and BENCH_SECONDS (of one measurement: 2, and 1 for
# those) make it shorter or longer; BENCH_NODES ("10 100 1000 10000") has it do some lists only, and
# BENCH_PARTS ("rates latency changes pollers waiters") some parts. What was measured is in
# target/bench-polls/results, a line each.
set -Eeuo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
# with short answers the contenders are nearest to each other, and chance is greatest: more rounds
few=100 few_rounds=${BENCH_ROUNDS:-11} few_seconds=${BENCH_SECONDS:-1}
many_rounds=${BENCH_ROUNDS:-5} many_seconds=${BENCH_SECONDS:-2}
read -ra sizes <<<"${BENCH_NODES:-10 100 1000 10000}"
parts=${BENCH_PARTS:-rates latency changes pollers waiters}
work=$here/target/bench-polls
results=$work/results
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
# as many as the service has, and one heap for all
loops=2
heap=-Xmx256m
export no_proxy=127.0.0.1
declare -A port=([C]=18481 [A]=18482 [D]=18483 [B]=18484 [N]=18485)
declare -A pid=()

fail() {
  echo "polls.sh: $*" >&2
  exit 1
}

# stop NAME: ends a child, and waits for it
stop() {
  local child=${pid[$1]:-} i
  [ -n "$child" ] || return 0
  unset "pid[$1]"
  kill "$child" 2>/dev/null || true
  for ((i = 0; i < 150; i++)); do
    kill -0 "$child" 2>/dev/null || break
    sleep 0.1
  done
  kill -9 "$child" 2>/dev/null || true
  wait "$child" 2>/dev/null || true
}
end() {
  local name
  # the service last: its database is the others'
  for name in load wrk changes N A D B C; do
    stop "$name"
  done
}
trap end EXIT
trap 'echo "polls.sh: failed in line $LINENO" >&2' ERR
trap 'exit 130' INT
trap 'exit 143' TERM

# A connection is a file: the crowd needs many, here and in the service.
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"

has() {
  [[ " $parts " = *" $1 "* ]]
}
url() {
  echo "http://127.0.0.1:${port[$1]}"
}
note() {
  printf '%s\n' "$*" >&2
}
result() {
  local IFS=$'\t'
  echo "$*" >>"$results"
}
# answers URL SECONDS
answers() {
  local i
  for ((i = 0; i < $2 * 5; i++)); do
    curl -s -f -o /dev/null "$1" && return
    sleep 0.2
  done
  return 1
}
# run CLASS ARGUMENT...: one of the programs here, as a child that a signal does not have to wait for
run() {
  "$java" $heap -cp "$work/classes:$here/target/nodepool.jar" "$@" &
  pid[load]=$!
  wait "${pid[load]}"
  unset 'pid[load]'
}

rm -rf "$work"
mkdir -p "$work/classes" "$work/conf" "$work/answer" "$work/nginx"
: >"$results"
command -v wrk >/dev/null || fail "wrk is not installed: ./run.sh bench installs it"
"${java}c" -Xlint:none -nowarn -d "$work/classes" -cp "$here/target/lib/*" "$here"/bench/*.java 2>"$work/javac.log" ||
  fail "the programs do not compile: $(cat "$work/javac.log")"

# nginx of the distribution, unpacked and not installed: its package starts a server of its own, now
# and whenever the machine starts.
nginx=$(PATH=$PATH:/usr/sbin command -v nginx || true)
if [ -z "$nginx" ]; then
  (cd "$work/nginx" && apt-get download -q nginx >"$work/nginx/log" 2>&1 && dpkg -x nginx_*.deb . 2>>"$work/nginx/log") || true
  nginx=$work/nginx/usr/sbin/nginx
fi
"$nginx" -v 2>/dev/null || {
  note "no nginx, so without it"
  nginx=
}

for name in "${!port[@]}"; do
  ! curl -s -o /dev/null "$(url "$name")/" || fail "something answers at port ${port[$name]} already"
done

# ---- the contenders

cat >"$work/conf/api.yaml" <<YAML
state_dir: ../var
api_password: bench
server: {port: ${port[C]}}
database: {data_dir: ../var/db}
jobs: {log_dir: ../var/log}
YAML
cat >"$work/conf/nodepool.yaml" <<YAML
images-dir: $work/images
providers:
  - name: local-directory
    driver: directory
    directory: $work/directory
YAML
# its log of requests goes to a file, which is cut short now and then
"$java" $heap -jar "$here/target/nodepool.jar" --config "$work/conf/api.yaml" >>"$work/C.log" 2>&1 &
pid[C]=$!
answers "$(url C)/readyz" 60 || fail "the service does not start: $(tail -n 3 "$work/C.log")"
dburi=$(cat "$work/var/db/dburi")

# reference NAME: starts A, D or B
reference() {
  "$java" $heap -cp "$work/classes:$here/target/nodepool.jar" Reference \
    "$1" "${port[$1]}" "$work/answer" "$loops" "$dburi" >>"$work/$1.log" 2>&1 &
  pid[$1]=$!
  answers "$(url "$1")/v1/nodes" 20 || fail "$1 does not start: $(tail -n 3 "$work/$1.log")"
}

# Starts nginx with the answer that the service gives now.
start_nginx() {
  local name value
  [ -n "$nginx" ] || return 0
  stop N
  {
    [ "$(id -u)" != 0 ] || echo 'user root;'
    cat <<CONF
daemon off;
worker_processes $loops;
pid $work/nginx/pid;
error_log stderr;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=10 inactive=1h;
  keepalive_requests 1000000000;
  etag off;
  client_body_temp_path $work/nginx/body;
  proxy_temp_path $work/nginx/proxy;
  fastcgi_temp_path $work/nginx/fastcgi;
  uwsgi_temp_path $work/nginx/uwsgi;
  scgi_temp_path $work/nginx/scgi;
  server {
    listen 127.0.0.1:${port[N]};
    location = /v1/nodes {
      alias $work/answer/body;
      types {}
      default_type application/json;
CONF
    # nginx has these of its own
    grep -ivE '^(content-(type|length)|connection|date):' "$work/answer/200" |
      while IFS=: read -r name value; do
        [ -z "$value" ] || echo "      add_header $name '${value# }';"
      done
    echo '}}}'
  } >"$work/nginx/nginx.conf"
  "$nginx" -e stderr -c "$work/nginx/nginx.conf" >>"$work/N.log" 2>&1 &
  pid[N]=$!
  answers "$(url N)/v1/nodes" 10 || fail "nginx does not start: $(tail -n 3 "$work/N.log")"
}

# fill NODES: so many nodes, and every contender has the service's answer
fill() {
  local name answer=$work/answer
  : >"$work/C.log"
  run Data rows "$dburi" "$1"
  rm -f "$answer/304"
  curl -s -f -D "$answer/head" -o "$answer/body" "$(url C)/v1/nodes"
  tr -d '\r' <"$answer/head" >"$answer/200"
  [ "$(grep -o '"label_name":' "$answer/body" | wc -l)" = "$1" ] ||
    fail "the service does not list $1 nodes"
  etag=$(sed -n 's/^etag: *//Ip' "$answer/200")
  if [ -n "$etag" ]; then
    curl -s -D "$answer/head" -o /dev/null -H "If-None-Match: $etag" "$(url C)/v1/nodes"
    if grep -q '^HTTP/1.1 304' "$answer/head"; then
      tr -d '\r' <"$answer/head" >"$answer/304"
    fi
  fi
  for name in A D B; do
    if [ -z "${pid[$name]:-}" ]; then
      reference "$name"
    else
      curl -s -f -X PUT "$(url "$name")/"
    fi
  done
  start_nginx
  for name in A D B ${nginx:+N}; do
    curl -s -f -D "$answer/head" "$(url "$name")/v1/nodes" | cmp - "$answer/body" ||
      fail "$name does not send what the service sends"
  done
  result bytes "$1" "$(stat -c %s "$answer/body")"
}

# wrk_of CONNECTIONS SECONDS NAME [OPTION...]: requests a second, median and 99th percentile of the
# latency in ms, and errors
wrk_of() {
  local connections=$1 time=$2 name=$3
  shift 3
  wrk -t 2 -c "$connections" -d "${time}s" --timeout 10s --latency "$@" "$(url "$name")/v1/nodes" | awk '
    function ms(text) {
      return text ~ /us$/ ? text / 1000 : text ~ /ms$/ ? text + 0 : text ~ /m$/ ? text * 60000 : text * 1000
    }
    $1 == "50%" {p50 = ms($2)}
    $1 == "99%" {p99 = ms($2)}
    $1 == "Requests/sec:" {rate = $2}
    /Socket errors:/ {errors += $4 + $6 + $8 + $10}
    /Non-2xx or 3xx/ {errors += $NF}
    END {printf "%s\t%.3f\t%.3f\t%d\n", rate + 0, p50, p99, errors}'
}

# measure KIND NODES CONNECTIONS NAME [OPTION...]
measure() {
  local kind=$1 nodes=$2 connections=$3 name=$4
  shift 4
  result wrk "$kind" "$nodes" "$connections" "$name" "$(wrk_of "$connections" "$seconds" "$name" "$@")"
}

# use_rounds NODES: sets the rounds of a list of so many
use_rounds() {
  if [ "$1" -le "$few" ]; then
    rounds=$few_rounds seconds=$few_seconds
  else
    rounds=$many_rounds seconds=$many_seconds
  fi
}

# in_turn ROUND NAME...: the names, a different one first in each round
in_turn() {
  local round=$1 first
  shift
  first=$((round % $#))
  echo "${@:first + 1}" "${@:1:first}"
}

# median KIND NODES CONNECTIONS NAME: of the rates
median() {
  awk -F '\t' -v OFS='\t' -v key="$1/$2/$3/$4" '$1 == "wrk" && $2 "/" $3 "/" $4 "/" $5 == key {print $6}' "$results" |
    sort -n | awk '{rate[NR] = $1} END {printf "%d\n", rate[int((NR + 1) / 2)]}'
}

# ---- the parts

rates() {
  local nodes=$1 round name extra=()
  [ "$nodes" != 100 ] || extra+=(B)
  [ -z "$nginx" ] || extra+=(N)
  for name in A D C "${extra[@]}"; do
    wrk_of 64 1 "$name" >/dev/null
  done
  for ((round = 0; round < rounds; round++)); do
    for name in $(in_turn "$round" A D C "${extra[@]}"); do
      measure poll "$nodes" 64 "$name"
    done
    for name in $(in_turn "$round" A D C); do
      measure poll "$nodes" 256 "$name"
    done
    [ -e "$work/answer/304" ] || continue
    for name in $(in_turn "$round" A D C); do
      measure 304 "$nodes" 64 "$name" -H "If-None-Match: $etag"
    done
  done
}

# While the service has as many polls as it can take.
probes() {
  local time=$((seconds > 3 ? seconds : 3))
  # longer than it is looked at: what looks starts slowly on processors that are busy
  wrk -t 2 -c 64 -d "$((time + 60))s" "$(url C)/v1/nodes" >/dev/null &
  pid[wrk]=$!
  run Data probes "$dburi" "$time" >>"$results"
  stop wrk
}

latency() {
  local nodes=$1 rate
  rate=$(($(median poll "$nodes" 64 C) / 2))
  [ "$rate" -gt 0 ] || rate=100
  run Load latency "$nodes" "$rate" "$rounds" "$seconds" "A=$(url A)/v1/nodes" "D=$(url D)/v1/nodes" "C=$(url C)/v1/nodes" >>"$results"
}

# change_rate RATE: so many changes a second from now on; how many there were since the last call is
# $achieved of the caller
change_rate() {
  echo "$1" >&8
  read -r achieved <&9
}

# The service with and without 100 changes a second; and A, which does not look at the database, so
# that what it loses is what the changes themselves take.
changes() {
  local nodes=$1 round kind name achieved
  mkfifo "$work/to-changes" "$work/from-changes"
  "$java" $heap -cp "$work/classes:$here/target/nodepool.jar" Data changes "$dburi" "$nodes" \
    <"$work/to-changes" >"$work/from-changes" &
  pid[changes]=$!
  exec 8>"$work/to-changes" 9<"$work/from-changes"
  read -r achieved <&9
  # thousands of changes, until what takes them in is compiled
  change_rate 100
  wrk_of 64 30 C >/dev/null
  change_rate 0
  for ((round = 0; round < rounds; round++)); do
    for kind in $(in_turn "$round" quiet changes); do
      for name in $(in_turn "$round" C A); do
        [ "$kind" = quiet ] || change_rate 100
        measure "$kind" "$nodes" 64 "$name"
        [ "$kind" = quiet ] || {
          change_rate 0
          result changes "$achieved"
        }
      done
    done
  done
  exec 8>&- 9<&-
  stop changes
}

memory() {
  awk -v key="$1:" '$1 == key {print $2}' "/proc/${pid[C]}/status"
}

pollers() {
  local count=10000 free
  free=$(($(ulimit -n) - 500))
  [ "$count" -le "$free" ] || count=$free
  # from here on, the most memory is that of the crowd
  echo 5 >"/proc/${pid[C]}/clear_refs"
  run Load pollers "$count" 10 30 "$(url C)/v1/nodes" >>"$results"
  result memory "$(memory VmHWM)" "$(memory VmRSS)"
}

waiters() {
  local answer
  answer=$(curl -s -o /dev/null -m 10 -w '%{http_code} %{time_total}' -H 'Prefer: wait=1' \
    -H "If-None-Match: $etag" "$(url C)/v1/nodes") || true
  if ! awk '{exit !($1 == 304 && $2 >= 0.9)}' <<<"$answer"; then
    note "the service does not wait, so nobody waits for it"
    return
  fi
  run Load waiters 1000 20 "$(url C)/v1/nodes" "$dburi" >>"$results"
}

result machine "$(nproc) cores ($(sed -n 's/^model name[\t ]*: //p' /proc/cpuinfo | head -n 1)), $(awk '/^MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo), $(uname -sr)"
result machine "$("$java" -version 2>&1 | sed -n '3p'), $heap for each contender, $loops event loops"
result machine "MariaDB $(run Data version "$dburi"), embedded$( (wrk -v 2>&1 || true) | sed -n 's/^wrk \([^ ]*\) .*/; wrk \1/p')${nginx:+; $("$nginx" -v 2>&1 | sed 's/nginx version: //')}"
result rounds "$many_rounds" "$many_seconds" "$few" "$few_rounds" "$few_seconds" "$loops"

fill "${sizes[0]}"
# A fresh JVM compiles what is hot, for half a minute under this load, on the processors that are
# measured; and the service has more to compile than the others.
note "warming up"
for ((round = 0; round < 5; round++)); do
  for name in A D B C; do
    wrk_of 64 5 "$name" >/dev/null
  done
done
for nodes in "${sizes[@]}"; do
  note "$nodes nodes"
  use_rounds "$nodes"
  fill "$nodes"
  ! has rates || rates "$nodes"
  [ "$nodes" != 100 ] || probes
  ! has latency || latency "$nodes"
  if [ "$nodes" = 1000 ] && has changes; then
    note "$nodes nodes that change"
    changes "$nodes"
  fi
done
if has pollers; then
  note "many connections"
  fill 1000
  pollers
fi
if has waiters; then
  note "many that wait"
  fill 100
  waiters
fi

run Report "$results" >"$work/report.md"
cat "$work/report.md"
if [ -z "${BENCH_ROUNDS:-}${BENCH_SECONDS:-}${BENCH_NODES:-}${BENCH_PARTS:-}" ]; then
  awk -v report="$work/report.md" '
    /^<!-- polls -->$/ {print; while ((getline line < report) > 0) print line; skip = 1}
    /^<!-- end of polls -->$/ {skip = 0}
    !skip' "$here/docs/performance.md" >"$work/performance.md"
  cp "$work/performance.md" "$here/docs/performance.md"
fi
