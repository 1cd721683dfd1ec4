#!/usr/bin/env bash
# Builds and starts the service, and whatever else is done with it. Asks nothing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# What building images needs from Debian; tiny-os takes its busybox from the host. And what runs
# machines, boots them, lets them out, logs in to them, and lets it in.
packages=(python3-diskimage-builder qemu-utils debootstrap kpartx dosfstools gdisk parted
  busybox-static sudo squashfs-tools openssh-client dropbear-bin qemu-system-x86 extlinux cpio
  passt)
# What the tests need besides: a MariaDB as an operator has it, and an OpenStack's Keystone and
# Glance; these packages start no server. (The client brings my_print_defaults, which installing a
# database needs.)
test_packages=(mariadb-server-core mariadb-client-core python3-keystone python3-glance
  python3-openstacksdk uwsgi-core uwsgi-plugin-python3 curl)
# What the long tests need besides: clients of HTTP as others write them, and networks of their own.
long_packages=(golang-go nodejs iproute2)
# What the benchmark of polls needs. Its nginx is unpacked and not installed (bench/polls.sh).
bench_packages=(wrk)

usage() {
  cat <<END
./run.sh [--setup] [--config FILE]   start the service; --setup first installs what image
                                     building needs (Debian, root)
./run.sh check [--config FILE]       read the configuration: "ok", or every mistake
./run.sh servers [--remove] [--config FILE]
                                     the machines of this host, which outlive the service; --remove
                                     deletes them. Stop the service first
./run.sh schema --remove [--config FILE]
                                     take everything of ours out of the database again; the
                                     tables of the pool stay. Stop the service first
./run.sh schema --new-id [--config FILE]
                                     give a copied database an id of its own, by which images at
                                     providers are known. Stop its service first
./run.sh test [quick|long|[long] CLASS]
                                     the tests: one case of each kind of thing, a quarter of an hour.
                                     quick: what mostly computes, two minutes. long: every case of
                                     every matrix, both databases, ten minutes of torture. Or one
                                     class, or CLASS#method. Installs what they need
./run.sh torture [MINUTES [SEED]]    jobs of all kinds while workers, the API and the database are
                                     killed, stopped and cut off; 10 minutes, unless it is said,
                                     and then what must hold is looked at. A seed repeats a load
./run.sh attack [MINUTES]            what strangers without a login may try, with little memory; a minute
                                     for each attack, unless it is said
./run.sh bench [polls|upload|history] how fast it is, beside what it is measured by: one part, or all
                                     of them, half an hour
./run.sh dependencies                which libraries have newer versions
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

# What Maven does, with the time since the start at each step of it; its exit status.
maven() {
  local began=$SECONDS status=0 said pid steps
  # of a run before
  rm -rf target/test-reports target/failsafe-reports target/openstack-template
  mkdir -p target/test-reports
  exec {said}> >(steps "$began" target/test-reports/maven.log)
  steps=$!
  mvn -B -Dstyle.color=never "$@" >&"$said" 2>&1 &
  pid=$!
  exec {said}>&-
  trap 'kill "$pid"' INT TERM
  wait "$pid" || status=$?
  if [ "$status" -gt 128 ]; then # it was told to end
    wait "$pid" || true
  fi
  trap - INT TERM
  wait "$steps" || true
  return "$status"
}

steps() {
  local line passed
  while IFS= read -r line; do
    passed=$((SECONDS - $1))
    case $line in
      '[INFO] --- '*) printf '%s %02d:%02d\n' "$line" $((passed / 60)) $((passed % 60)) ;;
      *) printf '%s\n' "$line" ;;
    esac
  done | tee "$2"
}

# How many cases each round had, the classes that took longest, in seconds, with their cases; what
# was skipped, and why; and at the end, where one looks first, what failed, and how that is run
# alone. Fails when no test was run. From what Maven said: of a class that two engines run, JUnit's
# and jqwik's, the second report replaces the first.
tell_tests() {
  local told report class long=
  told=$(awk '
    /^\[INFO\] --- / { round = $0; sub(/.*\(/, "", round); sub(/\).*/, "", round) }
    round == "default-test" { round = "quick" }
    /Tests run: .* Time elapsed: .* -- in / {
      n = $0; sub(/.*Tests run: /, "", n); t = $0; sub(/.*elapsed: /, "", t); gsub(",", "", t)
      id = $NF " (" round ")"; cases[round] += n; number[id] += n; time[id] += t
      if (/<<< /) failed[round "/" $NF]
    }
    END {
      for (r in cases) print "run.sh: " r ": " cases[r] " cases"
      for (id in time) print "time", time[id], number[id], id
      for (id in failed) print "failed", id
    }' "$1")
  [ -n "$told" ] || return 1
  [[ $* != *tests.long=true* ]] || long="long "
  grep '^run.sh' <<<"$told" || true
  echo "run.sh: the slowest classes"
  sed -n 's/^time //p' <<<"$told" | sort -rn | head -n 10
  grep -hsE '^(torture|freshness|attack): ' target/test-reports/*/*-output.txt # what these counted
  grep -hsoE '<skipped message="[^"]*"' target/test-reports/*/TEST-*.xml | sort | uniq -c |
    sed -E 's/ *([0-9]+) <skipped message="(.*)"/run.sh: skipped \1: \2/'
  sed -n 's/^failed //p' <<<"$told" | sort | while read -r report; do
    class=${report##*/}
    echo "run.sh: FAILED $class; alone: ./run.sh test $long${class##*.}"
    echo "  its log: target/test-reports/${report%/*}/$class-output.txt"
    awk -v class="$class" '
      /^\[/ { left = index($0, " " class ".") && /<<< (FAILURE|ERROR)!$/ ? 9 : 0 }
      left-- > 0 && !/^(\tat |$)/' "$1" | cut -c1-300 | head -n 40
  done
  return 0
} >&2

# Runs what Maven is told to, and tells how it went.
tests() {
  local status=0
  check_tools
  [[ $* != *tests.long=true* ]] || test_packages+=("${long_packages[@]}")
  setup "${packages[@]}" "${test_packages[@]}"
  cd "$here"
  maven "$@" || status=$?
  if ! tell_tests target/test-reports/maven.log "$@"; then
    [ "$status" != 0 ] || fail "no test was run"
    echo "run.sh: no test was run; it is said above what is wrong" >&2
  fi
  exit "$status"
}

# One class, in each round that it belongs to; more arguments are Maven's.
tests_of() {
  local class=${1%%#*}
  [ -n "$(find "$here/src/test/java" -name "$class.java")" ] ||
    fail "there is no class of tests $class"
  tests verify -Dtest=none -Dsurefire.failIfNoSpecifiedTests=false -Dit.test="$1" \
    '-Dtests.beside=!alone' '-Dtests.other-database=sql | both-databases' "${@:2}"
}

# The configuration is the project's unless it is said; everything else is relative to that file.
run() {
  build
  local config=(--config "$here/conf/api.yaml") argument
  for argument in "$@"; do
    case $argument in --config | --config=* | --help | -h) config=() ;; esac
  done
  # without memory it could neither answer nor stop
  exec "${JAVA_HOME:+$JAVA_HOME/bin/}java" -XX:+ExitOnOutOfMemoryError -jar "$here/target/nodepool.jar" "$@" "${config[@]}"
}

case ${1:-} in
  help | -h | --help)
    usage
    ;;
  test)
    case $#:${2:-} in
      1:) tests verify ;;
      2:quick) tests test ;;
      2:long)
        tests verify -Dtests.long=true -Dtests.beside=beside \
          '-Dtests.other-database=sql | both-databases'
        ;;
      3:long) tests_of "$3" -Dtests.long=true ;;
      2:*) tests_of "$2" ;;
      *)
        usage >&2
        exit 2
        ;;
    esac
    ;;
  torture)
    minutes=${2:-10} seed=${3:-}
    [[ $minutes =~ ^[0-9]+$ && $seed =~ ^[0-9]*$ ]] || fail "torture takes minutes and a seed, both numbers"
    tests_of TortureIT -Dnodepool.torture.minutes="$minutes" \
      ${seed:+-Dnodepool.torture.seed="$seed"}
    ;;
  attack)
    minutes=${2:-1}
    [[ $minutes =~ ^[0-9]+$ ]] || fail "attack takes minutes, a number"
    tests_of AttackIT -Dnodepool.attack.seconds=$((minutes * 60))
    ;;
  bench)
    part=${2:-}
    [[ $part =~ ^(polls|upload|history)?$ ]] || fail "bench takes polls, upload or history, or nothing for all"
    check_tools
    case $part in
      polls) setup "${bench_packages[@]}" ;;
      upload) setup "${packages[@]}" "${test_packages[@]}" ;;
      history) setup curl ;;
      *) setup "${packages[@]}" "${test_packages[@]}" "${bench_packages[@]}" ;;
    esac
    build
    for each in polls upload history; do
      [ -n "$part" ] && [ "$part" != "$each" ] || "$here/bench/$each.sh"
    done
    ;;
  dependencies)
    check_tools
    cd "$here"
    mvn -B -Dstyle.color=never versions:display-dependency-updates | awk '
      # a long name has a line of its own
      / -> / { print name ? name : $2, $(NF - 2), "->", $NF; name = ""; outdated = 1; next }
      { name = $2 ~ /:/ && / \.\.\.* *$/ ? $2 : "" }
      /^\[ERROR\]/ { print > "/dev/stderr"; failed = 1 }
      END { if (!outdated && !failed) print "all are the newest"; exit failed }'
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
  '' | check | schema | servers | --config | --config=*)
    check_tools
    run "$@"
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac
