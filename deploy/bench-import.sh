#!/usr/bin/env bash
# Measures imports: three meta voters, three nodes and a router, each its own process on loopback, load made-up lists
# (`dnc generate`) of several sizes, one after the other as versions of one registry. Prints, for each, the time from the first
# byte to the acknowledgement (active, and answered by all replicas), and the peak memory of each process so far.
#
#   SIZES  numbers of each list, in this order ("10000000 50000000")
set -euo pipefail
cd "$(dirname "$0")/.."

DNC="${DNC:-${CARGO_TARGET_DIR:-target}/release/dnc}"
work="$(mktemp -d)"
pids=()
names=()

stop() {
    for pid in "${pids[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
    done
    wait || true
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

# start NAME ARGUMENTS...
start() {
    local name="$1"
    shift
    "$DNC" "$@" >"$work/$name.log" 2>&1 &
    pids+=($!)
    names+=("$name")
}

# The peak resident memory of each process, MB.
peaks() {
    for at in "${!pids[@]}"; do
        awk -v name="${names[$at]}" '/^VmHWM/ { printf "  %-10s %6.0f MB\n", name, $2 / 1000 }' "/proc/${pids[$at]}/status"
    done
}

base="${PORT:-17500}"
voters="" meta=""
for id in 1 2 3; do
    service="127.0.0.1:$((base + 10 * id))"
    voters="$voters${voters:+,}$id=$service/127.0.0.1:$((base + 10 * id + 1))"
    meta="$meta${meta:+,}$service"
done
for id in 1 2 3; do
    start "meta-$id" meta --id "$id" --data-dir "$work/meta-$id" --voters "$voters" --http-listen 127.0.0.1:0 \
        --listen "127.0.0.1:$((base + 10 * id))" --raft-listen "127.0.0.1:$((base + 10 * id + 1))"
done
for id in 1 2 3; do
    service="127.0.0.1:$((base + 40 + 10 * id))" raft="127.0.0.1:$((base + 40 + 10 * id + 1))"
    start "node-$id" node --data-dir "$work/node-$id" --listen "$service" --raft-listen "$raft" --http-listen 127.0.0.1:0 \
        --advertise "$service" --advertise-raft "$raft" --meta "$meta"
done
http="127.0.0.1:$((base + 91))"
export DNC_ROUTER="http://127.0.0.1:$((base + 90))"
mkdir "$work/spool"
start router router --meta "$meta" --grpc-listen "127.0.0.1:$((base + 90))" --http-listen "$http" --spool-dir "$work/spool"

deadline=$((SECONDS + 120))
until curl -sf "http://$http/readyz" >/dev/null; do
    if [ "$SECONDS" -gt "$deadline" ]; then
        tail -n 5 "$work"/*.log >&2
        echo "the cluster did not start within two minutes" >&2
        exit 1
    fi
    sleep 0.2
done

echo "commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown), $(date -u +%F), $(nproc) cores"
for size in ${SIZES:-10000000 50000000}; do
    "$DNC" generate --numbers "$size" --out "$work/list.txt" >/dev/null
    began=$(date +%s%N)
    # The first list covers what the next ones do; each is larger by more than the guard allows.
    "$DNC" import "$work/list.txt" --list-date "$(date -u +%F)" --everywhere --force >"$work/import.txt" 2>"$work/import.err" ||
        { cat "$work/import.txt" "$work/import.err" >&2; exit 1; }
    took_ms=$((($(date +%s%N) - began) / 1000000))
    awk -v n="$size" -v ms="$took_ms" 'BEGIN { printf "%d numbers: %.1f s, %.2f million numbers/s; peak memory so far:\n", n, ms / 1000, n / ms / 1000 }'
    peaks
done
