#!/usr/bin/env bash
# Compares a cluster with Redis and PostgreSQL on this machine, each on core 1 and the load on core 0: a table, docs/bench-compare.json,
# and a section of docs/performance.md. Minutes: loading, and about four seconds for each figure of each round.
#
#   NUMBERS  how many numbers are listed (10,000,000)
#   ROUNDS   rounds, of which the medians count (5)
#   NODES    storage nodes of the cluster (1)
#   NOTE     a word on what else the machine did, for the report
set -euo pipefail
cd "$(dirname "$0")/.."

folder="${CARGO_TARGET_DIR:-target}/release"
DNC_TESTS_BINARY="$(realpath "$folder/dnc")"
export DNC_TESTS_BINARY
arguments=(--numbers "${NUMBERS:-10000000}" --rounds "${ROUNDS:-5}" --nodes "${NODES:-1}" --note "${NOTE:-}")
exec "$folder/dnc-bench" "${arguments[@]}" --json docs/bench-compare.json --markdown docs/performance.md
