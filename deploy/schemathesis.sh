#!/usr/bin/env bash
# Holds a running router against the document that it serves: schemathesis makes requests from /api/v1/openapi.json,
# good ones and bad ones, and fails on any answer that the document does not describe.
#
#   deploy/schemathesis.sh         against a cluster of its own, with the sample lists loaded
#   deploy/schemathesis.sh URL     against the router at this URL; it is written to
#
#   DNC       the binary (found in the target folder)
#   EXAMPLES  requests for each operation and phase (20)
#   SECONDS_MAX  after which it fails (600)
#   SEED      of the requests (1)
set -euo pipefail
cd "$(dirname "$0")/.."

target="${CARGO_TARGET_DIR:-target}"
DNC="${DNC:-$target/release/dnc}"
samples=docs/samples
# The lists are dated today: a list that is too old answers nothing but UNKNOWN.
today="$(date -u +%F)"
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

# --- schemathesis, in an environment of its own ---------------------------------------------------

python="$(deploy/python.sh deploy/schemathesis.txt)"

# --- the router -----------------------------------------------------------------------------------

if [ $# -ge 1 ]; then
    url="${1%/}"
else
    # In its own process group, so that Ctrl-C reaches it once, from here.
    set -m
    "$DNC" dev --data-dir "$work/data" --grpc-listen 127.0.0.1:0 --http-listen 127.0.0.1:0 >"$work/out" 2>"$work/err" &
    cluster=$!
    set +m
    waited=0
    until grep -q '^ready' "$work/out"; do
        waited=$((waited + 1))
        if ! kill -0 "$cluster" 2>/dev/null || [ "$waited" -gt 900 ]; then
            cat "$work/out" "$work/err" >&2
            echo "the cluster did not start within 90 s" >&2
            exit 1
        fi
        sleep 0.1
    done
    url="$(sed -n 's|^ *HTTP *\(http://[^ ]*\).*|\1|p' "$work/out")"
    DNC_ROUTER="$(sed -n 's/^ *gRPC *\(http[^ ]*\).*/\1/p' "$work/out")"
    export DNC_ROUTER
    # Somewhere to put backups.
    export BACKUPS="$work/backups"
    mkdir "$BACKUPS"
    # Something to find: a list, a registry of each kind, an opt-out.
    "$DNC" import --list-date "$today" --covers 201 $samples/internal.csv --registry federal >/dev/null
    "$DNC" registry create partners --type partner >/dev/null
    "$DNC" suppress add +12015550123 --reason "asked by phone" --added-by api-test >/dev/null
fi

# --- the run --------------------------------------------------------------------------------------

echo "schemathesis against $url"
code=0
SCHEMATHESIS_HOOKS=schemathesis_hooks PYTHONPATH=deploy PYTHONDONTWRITEBYTECODE=1 \
    timeout --signal=INT --kill-after=10 "${SECONDS_MAX:-600}" \
    "$python" -m schemathesis.cli --config-file deploy/schemathesis.toml run "$url/api/v1/openapi.json" \
    --url "$url" --no-color --generation-database=none \
    --max-examples "${EXAMPLES:-20}" --seed "${SEED:-1}" || code=$?
if [ "$code" -ne 0 ] && [ -s "$work/err" ]; then
    echo "what the cluster said last:" >&2
    tail -n 30 "$work/err" >&2
fi
exit "$code"
