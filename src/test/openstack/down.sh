#!/usr/bin/env bash
# Ends what up.sh started below $OSTACK_RUN: all of it, or the one that is named. --wipe: its files go,
# too.
set -euo pipefail
run=${OSTACK_RUN:?where its files are}
which=(glance keystone)
wipe=
for argument in "$@"; do
  case $argument in
    --wipe) wipe=1 ;;
    *) which=("$argument") ;;
  esac
done

for name in "${which[@]}"; do
  [ -s "$run/pid/$name" ] || continue
  read -r pid born <"$run/pid/$name"
  if [ -n "$born" ] && [ "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)" = "$born" ]; then
    # each leads a group of its own; it may be frozen
    kill -CONT -- "-$pid"
    kill "$pid"
    for _ in $(seq 50); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
    kill -9 -- "-$pid" 2>/dev/null || true
  fi
  rm -f "$run/pid/$name"
done
if [ -n "$wipe" ]; then
  ! mountpoint -q "$run/images" || umount "$run/images"
  rm -rf "$run"
fi
