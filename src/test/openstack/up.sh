#!/usr/bin/env bash
# A real OpenStack, Keystone and Glance of Debian 12, on 127.0.0.1. No service manager, message queue
# or SQL server: each runs from a configuration below $OSTACK_RUN, with SQLite.
#   up.sh [--stay]     starts what does not run; --stay: until it is ended, and ends everything then
#   down.sh [glance] [--wipe]
# By environment: OSTACK_RUN, KS_PORT, GL_PORT; IMAGE_URL, where the catalog says that Image is;
# TOKEN_SECONDS, how long a token lives; IMAGE_SIZE_CAP in bytes, above it 413; USER_STORAGE_QUOTA as
# in 300MB; STORE_SIZE as in 20m, a store that is full then (root); TEMPLATE, a directory in which a
# new cloud is kept for the next ones, which are sooner there.
# Users of the domain Default: nodepool (nodepool-secret) in project nodepool, stranger
# (stranger-secret) in project other, admin (admin-secret). Region RegionOne.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# Debian's python, and nobody's proxies or clouds
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 no_proxy=127.0.0.1 NO_PROXY=127.0.0.1
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV ${!OS_*} || true

run=${OSTACK_RUN:?where its files are to be}
export OSTACK_RUN=$run
identity=http://127.0.0.1:${KS_PORT:?}/v3
image=http://127.0.0.1:${GL_PORT:?}
python=/usr/bin/python3

fail() {
  echo "up.sh: $*" >&2
  exit 1
}

for package in keystone glance openstack; do
  $python -c "import $package" 2>/dev/null || fail "Python's $package is missing; ./run.sh test installs it"
done

# a pid counts only with its start time: a stale file must not match a stranger
born() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
alive() {
  local pid born
  [ -s "$run/pid/$1" ] && read -r pid born <"$run/pid/$1" && [ -n "$born" ] && [ "$(born "$pid")" = "$born" ]
}

# start NAME PORT COMMAND...
start() {
  local name=$1 port=$2
  shift 2
  alive "$name" && return
  ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || fail "port $port of $name is taken"
  setsid "$@" >>"$run/log/$name.out" 2>&1 </dev/null &
  echo "$! $(born $!)" >"$run/pid/$name"
}

# answers NAME URL
answers() {
  for _ in $(seq 600); do
    curl -s -o /dev/null --max-time 5 "$2" && return
    alive "$1" || fail "$1 died: $(tail -20 "$run/log/$1.out")"
    sleep 0.2
  done
  fail "$1 does not answer"
}

# a program of a Python package that Debian has no script of
program() { printf 'import sys; from %s import main; sys.argv[0]="%s"; sys.exit(main())' "$1" "$2"; }

# SQLite's other journals say "database is locked" to whoever writes while another reads
wal() { $python -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("PRAGMA journal_mode=WAL")' "$1"; }

mkdir -p "$run"
chmod 700 "$run"
mkdir -p "$run"/{log,pid,db,images,staging,work,keys}

cat >"$run/keystone.conf" <<END
[DEFAULT]
log_file = $run/log/keystone.log
transport_url = fake://
[database]
connection = sqlite:///$run/db/keystone.sqlite?check_same_thread=false
sqlite_synchronous = false
[identity]
password_hash_rounds = 4
[cache]
enabled = true
backend = oslo_cache.dict
[token]
provider = fernet
expiration = ${TOKEN_SECONDS:-3600}
[fernet_tokens]
key_repository = $run/keys/fernet
[fernet_receipts]
key_repository = $run/keys/receipts
[credential]
key_repository = $run/keys/credential
[oslo_messaging_notifications]
driver = noop
END

cat >"$run/glance.conf" <<END
[DEFAULT]
bind_host = 127.0.0.1
bind_port = $GL_PORT
workers = 1
log_file = $run/log/glance.log
transport_url = fake://
image_size_cap = ${IMAGE_SIZE_CAP:-8589934592}
user_storage_quota = ${USER_STORAGE_QUOTA:-0}
node_staging_uri = file://$run/staging
enabled_backends = fs:file
[database]
connection = sqlite:///$run/db/glance.sqlite
sqlite_synchronous = false
[glance_store]
default_backend = fs
[fs]
filesystem_store_datadir = $run/images
[os_glance_staging_store]
filesystem_store_datadir = $run/staging
[os_glance_tasks_store]
filesystem_store_datadir = $run/work
[task]
work_dir = $run/work
[paste_deploy]
flavor = keystone
config_file = $run/glance-paste.ini
[oslo_concurrency]
lock_path = $run/work
[oslo_messaging_notifications]
driver = noop
[keystone_authtoken]
www_authenticate_uri = http://127.0.0.1:$KS_PORT
service_token_roles_required = true
# a token that is revoked is refused at once
token_cache_time = -1
auth_url = $identity
auth_type = password
user_domain_id = default
project_domain_id = default
project_name = service
username = glance
password = service-secret
region_name = RegionOne
END

# the packaged file is in glance-common, which would bring daemons
cat >"$run/glance-paste.ini" <<'END'
[pipeline:glance-api-keystone]
pipeline = healthcheck versionnegotiation authtoken context rootapp
[composite:rootapp]
paste.composite_factory = glance.api:root_app_factory
/: apiversions
/v2: apiv2app
[app:apiversions]
paste.app_factory = glance.api.versions:create_resource
[app:apiv2app]
paste.app_factory = glance.api.v2.router:API.factory
[filter:healthcheck]
paste.filter_factory = oslo_middleware:Healthcheck.factory
[filter:versionnegotiation]
paste.filter_factory = glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory
[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
delay_auth_decision = true
END

manage=(keystone-manage --config-file "$run/keystone.conf")

make_keystone() {
  local keys=(--keystone-user "$(id -un)" --keystone-group "$(id -gn)")
  "${manage[@]}" db_sync
  wal "$run/db/keystone.sqlite"
  "${manage[@]}" fernet_setup "${keys[@]}"
  "${manage[@]}" receipt_setup "${keys[@]}"
  "${manage[@]}" credential_setup "${keys[@]}"
}

bootstrap() {
  "${manage[@]}" bootstrap --bootstrap-password admin-secret --bootstrap-region-id RegionOne \
    --bootstrap-public-url "$identity" --bootstrap-internal-url "$identity" --bootstrap-admin-url "$identity"
}

make_glance() {
  $python -c "$(program glance.cmd.manage glance-manage)" --config-file "$run/glance.conf" db_sync
  wal "$run/db/glance.sqlite"
}

if [ -n "${STORE_SIZE:-}" ] && ! mountpoint -q "$run/images"; then
  mount -t tmpfs -o "size=$STORE_SIZE" tmpfs "$run/images"
fi

# Tables and keys, which no address is in, from a cloud that was made before; or made, and kept for
# those that come.
make() {
  local making
  if [ -n "${TEMPLATE:-}" ] && [ -e "$TEMPLATE" ]; then
    cp -a "$TEMPLATE"/db "$TEMPLATE"/keys "$run"
    return
  fi
  make_glance >"$run/log/make-glance.out" 2>&1 &
  making=$!
  make_keystone >"$run/log/make-keystone.out" 2>&1 || fail "$(tail -20 "$run/log/make-keystone.out")"
  wait "$making" || fail "$(tail -20 "$run/log/make-glance.out")"
  if [ -n "${TEMPLATE:-}" ]; then
    mkdir -p "$TEMPLATE.$$"
    cp -a "$run"/db "$run"/keys "$TEMPLATE.$$"
    mv -T "$TEMPLATE.$$" "$TEMPLATE" 2>/dev/null || rm -rf "$TEMPLATE.$$" # another was first
  fi
}

made=$run/db/made
if [ ! -e "$made" ]; then
  make
  bootstrap >"$run/log/bootstrap.out" 2>&1 || fail "$(tail -20 "$run/log/bootstrap.out")"
fi

# it closes a connection after each answer without saying so, unless it is told to say so
export OS_KEYSTONE_CONFIG_FILES=$run/keystone.conf
start keystone "$KS_PORT" uwsgi --http-socket "127.0.0.1:$KS_PORT" --plugins python3 --master --processes 1 \
  --threads 4 --enable-threads --lazy-apps --die-on-term --need-app --buffer-size 65535 \
  --add-header "Connection: close" --wsgi-file /usr/bin/keystone-wsgi-public
answers keystone "$identity"
if [ ! -e "$made" ]; then
  $python "$here/seed.py" "$identity" "${IMAGE_URL:-$image}" >"$run/log/seed.out" 2>&1 || fail "$(tail -20 "$run/log/seed.out")"
  touch "$made"
fi
start glance "$GL_PORT" $python -c "$(program glance.cmd.api glance-api)" --config-file "$run/glance.conf"
answers glance "$image/versions"
echo "up.sh: Identity at $identity, Image at $image"

if [ "${1:-}" = --stay ]; then
  trap '"$here/down.sh"' EXIT
  trap 'exit 0' TERM INT
  while :; do sleep 1; done
fi
