#!/usr/bin/env bash
# An image of 1 GiB through the service, and the same file with curl -T, to the same Glance, in turn:
# the rate is the bytes over the time from the first byte of the PUT to its answer. The service's
# heap is 256 MiB. Prints each round, the medians and their ratio, and what the service's memory came
# to.
#   bench/upload.sh [ROUNDS]
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
rounds=${1:-5}
work=$here/target/bench-upload
service=http://127.0.0.1:18480 user=admin:bench
export OSTACK_RUN=$work/openstack KS_PORT=15480 GL_PORT=19480 IMAGE_SIZE_CAP=$((4 << 30))
export no_proxy=127.0.0.1

rm -rf "$work"
mkdir -p "$work/conf"
pid=
end() {
  [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
  [ -z "$pid" ] || wait "$pid" || true
  "$here/src/test/openstack/down.sh" --wipe
}
trap end EXIT
"$here/src/test/openstack/up.sh"

cat >"$work/conf/api.yaml" <<YAML
state_dir: ../var
api_password: bench
server: {port: 18480}
database: {data_dir: ../var/db}
jobs: {log_dir: ../var/log}
YAML
cat >"$work/conf/nodepool.yaml" <<YAML
images-dir: $work/images
elements-dir: $here/conf/elements
diskimages:
  - name: big
    elements: [tiny-os]
    env-vars: {DIB_JOURNAL_SIZE: '4', DIB_IMAGE_SIZE: '1'}
providers:
  - name: glance
    username: nodepool
    password: nodepool-secret
    project-name: nodepool
    auth-url: http://127.0.0.1:$KS_PORT/v3
    rate: 0
    image-type: raw
    images: [{name: big, diskimage: big}]
YAML
java -Xmx256m -jar "$here/target/nodepool.jar" --config "$work/conf/api.yaml" >"$work/service.log" 2>&1 &
pid=$!
for _ in $(seq 120); do
  curl -sf -o /dev/null "$service/readyz" && break
  sleep 0.5
done

# job METHOD-AND-PATH FORM: its path, once it has succeeded
job() {
  local path
  path=$(curl -sf -u "$user" -o /dev/null -D - -d "$2" "$service$1" | tr -d '\r' | sed -n 's/^Link: <\(.*\)>;.*/\1/p')
  curl -sf -o /dev/null "$service$path?wait=600&fail=true"
  echo "$path"
}
job /v1/dib_images/big/build '' >/dev/null
file=$(echo "$work"/images/big-*.raw)
bytes=$(stat -c %s "$file")
# in the page cache for both
cat "$file" >/dev/null

token=$(curl -sf -o /dev/null -D - -H 'Content-Type: application/json' "http://127.0.0.1:$KS_PORT/v3/auth/tokens" -d '{"auth":
  {"identity": {"methods": ["password"], "password": {"user":
    {"name": "nodepool", "domain": {"id": "default"}, "password": "nodepool-secret"}}},
  "scope": {"project": {"name": "nodepool", "domain": {"id": "default"}}}}}' |
  tr -d '\r' | sed -n 's/^X-Subject-Token: //Ip')
glance() { curl -sf -H "X-Auth-Token: $token" "$@"; }

# milliseconds of one upload with curl, from the first byte to the answer
by_curl() {
  local image times
  image=$(glance -H 'Content-Type: application/json' "http://127.0.0.1:$GL_PORT/v2/images" \
    -d '{"name": "by-curl", "disk_format": "raw", "container_format": "bare"}' |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
  times=$(glance -o /dev/null -w '%{time_total} %{time_pretransfer}' -T "$file" \
    -H 'Content-Type: application/octet-stream' "http://127.0.0.1:$GL_PORT/v2/images/$image/file")
  glance -X DELETE "http://127.0.0.1:$GL_PORT/v2/images/$image"
  awk '{printf "%d\n", ($1 - $2) * 1000}' <<<"$times"
}

# the same and the time of hashing, by the service
by_service() {
  local path
  path=$(job /v1/dib_images/big/upload provider_name=glance)
  curl -sf "$service$path/log" | sed -n 's/.*\(sent\|hashed\) [0-9]* bytes in \([0-9]*\) ms/\2/p' | tac | xargs
}

median() { sort -n | awk '{a[NR] = $1} END {print a[int((NR + 1) / 2)]}'; }

: >"$work/service" >"$work/curl" >"$work/hash"
by_curl >/dev/null
by_service >/dev/null
for round in $(seq "$rounds"); do
  read -r sent hashed <<<"$(by_service)"
  curled=$(by_curl)
  echo "$sent" >>"$work/service"
  echo "$hashed" >>"$work/hash"
  echo "$curled" >>"$work/curl"
  echo "round $round: service $sent ms (hashing before: $hashed ms), curl $curled ms"
done
awk -v bytes="$bytes" -v s="$(median <"$work/service")" -v c="$(median <"$work/curl")" -v h="$(median <"$work/hash")" \
  'BEGIN {printf "upload of %d bytes, medians: service %.0f MiB/s, curl %.0f MiB/s, ratio %.2f; hashing %.0f MiB/s\n",
          bytes, bytes / 1048.576 / s, bytes / 1048.576 / c, c / s, bytes / 1048.576 / h}'
echo "the service's memory: $(sed -n 's/^VmHWM:[\t ]*//p' "/proc/$pid/status") at most, with a heap of 256 MiB"
