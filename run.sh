#!/usr/bin/env bash
# Builds and starts the service, and whatever else is done with it. Asks nothing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# What building images needs from Debian; tiny-os takes its busybox from the host.
packages=(python3-diskimage-builder qemu-utils debootstrap kpartx dosfstools gdisk parted
  busybox-static sudo squashfs-tools)
# What the tests need besides: a MariaDB as an operator has it, and an OpenStack's Keystone and
# Glance; these packages start no server. (The client brings my_print_defaults, which installing a
# database needs.)
test_packages=(mariadb-server-core mariadb-client-core python3-keystone python3-glance
  python3-openstacksdk uwsgi-core uwsgi-plugin-python3 curl)
# What the benchmark of polls needs. Its nginx is unpacked and not installed (bench/polls.sh).
bench_packages=(wrk)

usage() {
  cat <<END
./run.sh [--setup] [--config FILE]   start the service; --setup first installs what image
                                     building needs (Debian, root)
./run.sh check [--config FILE]       read the configuration: "ok", or every mistake
./run.sh schema --remove [--config FILE]
                                     take everything of ours out of the database again; the
                                     tables of the pool stay. Stop the service first
./run.sh test                        every test; installs what they need
./run.sh torture [MINUTES [SEED]]    jobs of all kinds while workers, the API and the database are
                                     killed, stopped and cut off; 10 minutes, unless it is said,
                                     and then what must hold is looked at. A seed repeats a load
./run.sh bench [polls|upload]        how fast it is, beside what it is measured by, in one run of
                                     less than 20 minutes, or one half of it
./run.sh format                      put the code into its form
./run.sh help                        this
END
}

fail() {
  echo "run.sh: $*" >&2
  exit 1
}

# Installs those of these packages that are missing, and says so.
setup() {
  local missing=() package
  command -v apt-get >/dev/null || fail "--setup knows Debian only. Install by hand: $*"
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      missing+=("$package")
  done
  if [ ${#missing[@]} = 0 ]; then
    echo "run.sh: all packages are there"
    return
  fi
  [ "$(id -u)" = 0 ] || fail "--setup installs packages and must be run as root: ${missing[*]}"
  echo "run.sh: installing ${missing[*]}"
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}

check_tools() {
  local java=${JAVA_HOME:+$JAVA_HOME/bin/}java version
  command -v "$java" >/dev/null || fail "java is not installed: a JDK of version 17 or later is needed"
  version=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
  [ "${version:-0}" -ge 17 ] || fail "a JDK of version 17 or later is needed; this is ${version:-unknown}"
  command -v mvn >/dev/null || fail "Maven (mvn) is not installed"
}

# Builds the jar if it is not there or older than what it is made of.
build() {
  local jar=$here/target/nodepool.jar
  if [ ! -e "$jar" ] || [ -n "$(find "$here/pom.xml" "$here/src/main" -newer "$jar" -print -quit)" ]; then
    echo "run.sh: building" >&2
    (cd "$here" && mvn -q -B -Dstyle.color=never -DskipTests package)
  fi
}

# Which tests failed, and how: at the end, where one looks first, and which is kept when a long log
# is cut.
tell_failures() {
  local told
  told=$(grep -rhs -A 4 --include='*.txt' -E '<<< (FAILURE|ERROR)!' \
    target/surefire-reports target/failsafe-reports) || true
  echo "run.sh: the tests that failed:"
  echo "${told:-none; it is said above what was wrong}"
} >&2

# The configuration is the project's unless it is said; everything else is relative to that file.
run() {
  build
  local config=(--config "$here/conf/api.yaml") argument
  for argument in "$@"; do
    case $argument in --config | --config=* | --help | -h) config=() ;; esac
  done
  exec "${JAVA_HOME:+$JAVA_HOME/bin/}java" -jar "$here/target/nodepool.jar" "$@" "${config[@]}"
}

case ${1:-} in
  help | -h | --help)
    usage
    ;;
  test)
    check_tools
    setup "${packages[@]}" "${test_packages[@]}"
    cd "$here"
    rm -rf target/surefire-reports target/failsafe-reports # of a run before
    mvn -B verify &
    maven=$!
    trap 'kill "$maven"' INT TERM
    wait "$maven" && exit
    status=$?
    if [ "$status" -gt 128 ]; then # it was told to end
      wait "$maven" || true
    else
      tell_failures
    fi
    exit "$status"
    ;;
  torture)
    minutes=${2:-10} seed=${3:-}
    [[ $minutes =~ ^[0-9]+$ && $seed =~ ^[0-9]*$ ]] || fail "torture takes minutes and a seed, both numbers"
    check_tools
    setup "${packages[@]}" "${test_packages[@]}"
    cd "$here"
    # no other test than this
    exec mvn -B verify -Dtest=none -Dsurefire.failIfNoSpecifiedTests=false -Dit.test=TortureIT \
      -Dnodepool.torture.minutes="$minutes" ${seed:+-Dnodepool.torture.seed="$seed"}
    ;;
  bench)
    part=${2:-}
    [[ $part =~ ^(polls|upload)?$ ]] || fail "bench takes polls or upload, or nothing for both"
    check_tools
    case $part in
      polls) setup "${bench_packages[@]}" ;;
      upload) setup "${packages[@]}" "${test_packages[@]}" ;;
      *) setup "${packages[@]}" "${test_packages[@]}" "${bench_packages[@]}" ;;
    esac
    build
    [ "$part" = upload ] || "$here/bench/polls.sh"
    [ "$part" = polls ] || "$here/bench/upload.sh"
    ;;
  format)
    check_tools
    cd "$here"
    exec mvn -q -B spotless:apply
    ;;
  --setup)
    shift
    check_tools
    setup "${packages[@]}"
    run "$@"
    ;;
  '' | check | schema | --config | --config=*)
    check_tools
    run "$@"
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac
