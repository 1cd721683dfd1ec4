#!/bin/bash
# dib-sweep.sh DIR [PGID]: puts right what a killed disk-image-create left under its TMP_DIR. DIR
# belongs to that one build; PGID is the process group it was started as, if it may still run.
# Never removes anything while a mount is left: the build bind-mounts the host's /dev below DIR.
set -u
T=$(readlink -e "${1:?dir}") || exit 0
[ "$T" != / ] || exit 2

# 1. The build's processes, by the DIR in their environment; and with the first its whole group, as
#    long as that is the build's (a number may be in use again by somebody else).
for environ in $(grep -lszxF "TMP_DIR=$T" /proc/[0-9]*/environ); do
  pid=${environ#/proc/} pid=${pid%/environ}
  read -r stat <"/proc/$pid/stat" 2>/dev/null || continue
  # the command's name in parentheses may hold blanks: the fields begin behind it
  read -r _ _ pgrp _ <<<"${stat##*) }"
  if [ "$pgrp" = "${2:-}" ]; then
    kill -KILL -- "-$pgrp" 2>/dev/null && echo "killed group $pgrp"
  else
    kill -KILL "$pid" 2>/dev/null && echo "killed $pid"
  fi
done
# 2. Processes that cleared their environment: root, cwd or executable below DIR.
find /proc -mindepth 2 -maxdepth 2 -path '/proc/[0-9]*' \
  \( -name root -o -name cwd -o -name exe \) -printf '%P %l\n' 2>/dev/null |
  while read -r link target; do
    case $target in "$T"/*) kill -KILL "${link%%/*}" 2>/dev/null && echo "killed ${link%%/*}" ;; esac
  done

# The mounts below DIR, deepest first, as /proc/mounts writes them.
mounts() {
  T=$T awk 'index($2, ENVIRON["T"] "/") == 1 { print $2 }' /proc/mounts | sort -r
}

for pass in 1 2 3 4 5; do
  # 3. mounts
  mounts | while read -r m; do
    m=$(printf '%b' "$m")
    umount "$m" 2>/dev/null && echo "umount $m"
  done
  # 4. loop devices whose backing file is below DIR (partitions first)
  losetup -l -n -O NAME,BACK-FILE | while read -r dev back; do
    case $back in "$T"/*)
      partx -d "$dev" 2>/dev/null
      rm -f /dev/mapper/"${dev##*/}"p*
      losetup -d "$dev" && echo "detach $dev" ;;
    esac
  done
  [ -n "$(mounts)" ] || break
  sleep 1
done
# last resort: lazy
mounts | while read -r m; do
  m=$(printf '%b' "$m")
  umount -l "$m" && echo "lazy $m"
done
if [ -n "$(mounts)" ]; then
  echo "mounts left below $T" >&2
  exit 1
fi
rm -rf --one-file-system "$T"
