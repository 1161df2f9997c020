#!/usr/bin/env bash
# Runs the image and the Compose file as a person would, then breaks what can break while checks go on: a container is killed, one
# is cut off, all are stopped and started again. No check may fail meanwhile, and no opt-out may be lost. Needs root.
#
#   DNC    the binary (found in the target folder)
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/image/engine.sh
. deploy/image/engine.sh

target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
DNC="$(realpath "${DNC:-$target/release/dnc}")"
export DNC
if [ "${1:-}" != apart ]; then
    engine_prepare "$target/engine" prometheus curl
    engine_apart "$0" apart
    exit
fi
work="$(mktemp -d)"
checking=""
listed=+12015550123
clear=+12015550177

finish() {
    code=$?
    if [ -n "$checking" ]; then kill "$checking" 2>/dev/null || true; fi
    if [ "$code" -ne 0 ] && [ -n "$engine_pid" ]; then cluster logs --no-color --tail 15 2>&1 | cut -c1-300 >&2 || true; fi
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

cluster() { "${engine_compose[@]}" --file deploy/compose.yml --project-name dnc-image-test "$@"; }
say() { printf '\n== %s\n' "$*"; }
fail() {
    echo "!! $*" >&2
    exit 1
}

# Waits for a condition, at most so many seconds.
within() {
    local seconds="$1" until=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$until" ]; then fail "not within $seconds s: $*"; fi
        sleep 0.3
    done
}

is_healthy() { [ "$(docker inspect --format '{{.State.Health.Status}}' "dnc-image-test-$1-1")" = healthy ]; }

# How many targets Prometheus reaches.
scraped() { [ "$(curl -fsS 'http://127.0.0.1:9090/api/v1/query?query=sum(up)' | grep -o '"[0-9]*"\]' | tr -d '"]')" = "$1" ]; }

# Checks both numbers again and again, as a caller does; notes each answer that is not the expected one.
check_on() {
    while true; do
        "$DNC" check "$listed" --expect listed >"$work/last" 2>&1 || cat "$work/last" >>"$work/failed"
        "$DNC" check "$clear" >"$work/last" 2>&1 || cat "$work/last" >>"$work/failed"
        echo >>"$work/checked"
    done
}

say "an engine, a base image without a shell, the image"
engine_start "$target/engine"
base="$(sed -n 's/^ARG BASE=//p' deploy/image/Dockerfile)"
engine_base "$base"
deploy/image/build.sh
if docker run --rm --entrypoint /bin/sh dnc -c true 2>/dev/null; then fail "there is a shell in the image"; fi
docker run --rm --read-only --cap-drop ALL dnc --version

prometheus="$(sed -n 's/.*PROMETHEUS_IMAGE:-\(.*\)}/\1/p' deploy/compose.yml)"
mkdir "$work/prometheus"
cp "$(command -v prometheus)" "$work/prometheus/prometheus"
printf 'FROM %s\nCOPY --chown=65532:65532 empty /prometheus\nCOPY prometheus /bin/prometheus\nENTRYPOINT ["/bin/prometheus"]\n' "$base" \
    >"$work/prometheus/Dockerfile"
mkdir "$work/prometheus/empty" && touch "$work/prometheus/empty/.keep"
docker build --quiet --tag "$prometheus" "$work/prometheus"

say "up"
cluster up --detach --wait --wait-timeout 180
export DNC_ROUTER=http://127.0.0.1:7400,http://127.0.0.1:7401
within 60 "$DNC" cluster status
within 60 scraped 8
docker exec dnc-image-test-node-1-1 /usr/local/bin/dnc health 127.0.0.1:7482

say "a list, an opt-out"
"$DNC" import --list-date "$(date -u +%F)" --covers 201 docs/samples/internal.csv --registry federal
"$DNC" suppress add "$listed" --reason "asked by phone" --added-by image-test
"$DNC" check "$clear"
check_on &
checking=$!
within 30 test -s "$work/checked"

say "a node is killed, an opt-out comes meanwhile, it comes back"
docker kill dnc-image-test-node-2-1 >/dev/null
within 30 "$DNC" suppress add +12015550124 --reason "asked meanwhile" --added-by image-test
docker start dnc-image-test-node-2-1 >/dev/null
within 90 is_healthy node-2
within 60 "$DNC" cluster status

say "a node is cut off from the network, and connected again"
docker network disconnect dnc-image-test_default dnc-image-test-node-3-1
within 30 "$DNC" suppress add +12015550125 --reason "asked meanwhile" --added-by image-test
docker network connect --alias node-3 dnc-image-test_default dnc-image-test-node-3-1
within 90 "$DNC" cluster status

say "a fourth node joins, takes its share, and is let go by its address, with one that is not there"
docker run --detach --name node-4 --hostname node-4 --network dnc-image-test_default --read-only --cap-drop ALL \
    --volume node-4:/var/lib/dnc --env DNC_DATA_DIR=/var/lib/dnc --env DNC_META=meta-1:7410,meta-2:7410,meta-3:7410 \
    --env DNC_LISTEN=0.0.0.0:7420 --env DNC_RAFT_LISTEN=0.0.0.0:7421 --env DNC_HTTP_LISTEN=0.0.0.0:7482 \
    --env DNC_ADVERTISE=node-4:7420 --env DNC_ADVERTISE_RAFT=node-4:7421 dnc node >/dev/null
"$DNC" cluster join node-4:7420 --limit 60
"$DNC" cluster apply --wait --limit 120
"$DNC" cluster decommission --wait --limit 120 node-4:7420 node-5:7420
docker rm --force node-4 >/dev/null
docker volume rm node-4 >/dev/null
within 60 "$DNC" cluster status

say "no node can go where its replicas have no other place"
if "$DNC" cluster decommission --wait --limit 30 node-3:7420; then fail "a node was let go that was needed"; fi

say "a voter and a router are restarted"
docker restart --time 20 dnc-image-test-meta-1-1 dnc-image-test-router-1-1 >/dev/null
within 60 is_healthy meta-1
within 60 is_healthy router-1

kill "$checking"
wait "$checking" 2>/dev/null || true
checking=""
say "$(wc -l <"$work/checked") rounds of checks meanwhile"
if [ -s "$work/failed" ]; then
    cat "$work/failed" >&2
    fail "checks failed"
fi

say "all is stopped and started again on the same volumes: the same cluster, and nothing is lost"
before="$("$DNC" cluster nodes -o json)"
cluster down --timeout 30
cluster up --detach --wait --wait-timeout 180
within 60 "$DNC" cluster status
for number in "$listed" +12015550124 +12015550125; do "$DNC" check "$number" --expect listed; done
count() { grep -o '"node":[0-9]*' <<<"$1" | sort -u | tr '\n' ' '; }
if [ "$(count "$before")" != "$(count "$("$DNC" cluster nodes -o json)")" ]; then fail "the nodes are others than before"; fi

say "down, with the volumes"
cluster down --volumes --timeout 30
if [ -n "$(docker volume ls --quiet)" ]; then fail "volumes are left"; fi
say "All of it held."
