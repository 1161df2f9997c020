#!/usr/bin/env bash
# Measures a cluster in one process with generated lists: `dnc bench` in each of its modes. Figures are comparable only between
# runs on the same machine; here the load generator and the cluster share it.
#
#   NUMBERS  how many numbers are listed (2,000,000)
#   SECONDS_EACH  how long each mode is measured (10)
set -euo pipefail
cd "$(dirname "$0")/.."

DNC="${DNC:-${CARGO_TARGET_DIR:-target}/release/dnc}"
numbers="${NUMBERS:-2000000}"
seconds="${SECONDS_EACH:-10}"
work="$(mktemp -d)"
cluster=""

stop() {
    if [ -n "$cluster" ] && kill -0 "$cluster" 2>/dev/null; then
        kill -TERM "$cluster"
        wait "$cluster" || true
    fi
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

set -m
"$DNC" dev --data-dir "$work/data" --grpc-listen 127.0.0.1:0 --http-listen 127.0.0.1:0 >"$work/out" &
cluster=$!
set +m
waited=0
until grep -q '^ready' "$work/out"; do
    waited=$((waited + 1))
    if [ "$waited" -gt 900 ] || ! kill -0 "$cluster" 2>/dev/null; then
        echo "the cluster did not start" >&2
        exit 1
    fi
    sleep 0.1
done
DNC_ROUTER="$(sed -n 's/^ *gRPC *\(http[^ ]*\).*/\1/p' "$work/out")"
export DNC_ROUTER

population=(--numbers "$numbers" --areas 5 --seed 1)
"$DNC" bench generate "${population[@]}" --out "$work/lists"
"$DNC" import "$work"/lists/*.txt
for mode in unary bulk packed stream; do
    printf '\n%s\n' "$mode"
    in_flight=16
    [ "$mode" != bulk ] && [ "$mode" != packed ] || in_flight=2
    [ "$mode" != stream ] || in_flight=256
    "$DNC" bench "${population[@]}" --mode "$mode" --connections 4 --in-flight "$in_flight" --seconds "$seconds"
done
