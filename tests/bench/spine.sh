#!/usr/bin/env bash
#
# spine.sh - the figures of the spine, measured on a fresh cluster.
#
# usage: tests/bench/spine.sh [figures|operations|data|failover|restart|redis|
#                             all] [OPTION...]
#
#   figures    throughput, latency, server CPU per operation (default)
#   operations what operations cost, as ratios to a plain set
#   data       load, scan, watchers, expiry: all, or those that are named
#   failover   how long a group takes no writes after kill -9 of its leader
#   restart    how long a cluster takes to serve again with 1 GiB of log
#   redis      redis-benchmark against the Redis door
#
# Builds a release into build-system and runs the Python script of that name
# next to this one; OPTIONs go there, --help shows them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
what=figures
case ${1:-} in
figures | operations | data | failover | restart | redis | all)
    what=$1 && shift ;;
-h | --help) sed -n '3,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$0" && exit 0 ;;
esac
cmake -S "$root" -B "$root/build-system" -G Ninja \
    -DCMAKE_BUILD_TYPE=Release -DCOAT_TESTS=ON >/dev/null
ninja -C "$root/build-system" coatcheckd coatcheck hammer \
    watchers | tail -n 1
list=("$what")
[ "$what" != all ] || list=(figures operations data failover restart redis)
for one in "${list[@]}"; do
    python3 -B "$here/$one.py" --build "$root/build-system" "$@"
done
