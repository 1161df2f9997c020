#!/usr/bin/env bash
# The demo: a cluster in one process, the sample lists loaded, some numbers checked, each answer held against the expected one.
#
#   DEMO_DIR  data folder (./data); may be one that an earlier demo left
#   CI=true   a fresh folder and free ports, and an exit after the transcript: non-zero if an answer was not the expected one
#   DNC       the binary (found in the target folder)
set -euo pipefail
cd "$(dirname "$0")/.."

DNC="${DNC:-${CARGO_TARGET_DIR:-target}/release/dnc}"
samples=docs/samples
# The lists are dated today, so that the answers do not depend on the day of the run: a list's own date is what
# counts, and nobody can make it newer than its file says.
today="$(date -u +%F)"
failures=0
work="$(mktemp -d)"
cluster=""

if [ "${CI:-}" = true ]; then
    data="$work/data"
    listen=(--grpc-listen 127.0.0.1:0 --http-listen 127.0.0.1:0)
else
    data="${DEMO_DIR:-./data}"
    listen=()
fi

stop() {
    if [ -n "$cluster" ] && kill -0 "$cluster" 2>/dev/null; then
        kill -TERM "$cluster"
        wait "$cluster" || true
    fi
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

# --- what the transcript is made of -------------------------------------------------------------

title() { printf '\n== %s\n' "$*"; }

# Shows a command as a person would type it, runs it, shows its output, and keeps that in $answer and its exit code in $code.
answer=""
code=0
run() {
    printf '$ %s\n' "$(shown "$@")"
    code=0
    answer="$("$@" 2>&1)" || code=$?
    printf '%s\n' "$answer"
}

shown() {
    local words=() word
    for word in "$@"; do
        case "$word" in
            "$DNC") words+=(dnc) ;;
            *[!a-zA-Z0-9_./:,=+@-]*) words+=("'$word'") ;;
            *) words+=("$word") ;;
        esac
    done
    echo "${words[*]}"
}

# Asks the REST API. curl may be missing on a fresh machine; bash can speak enough HTTP by itself.
rest() {
    local path="$1"
    printf '$ curl http://%s%s\n' "$http" "$path"
    if command -v curl >/dev/null; then
        answer="$(curl -sS --max-time 10 "http://$http$path" 2>&1)" || true
    else
        exec 3<>"/dev/tcp/${http%:*}/${http##*:}"
        printf 'GET %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$path" "$http" >&3
        answer="$(timeout 10 sed '1,/^\r\{0,1\}$/d' <&3)" || true
        exec 3>&-
    fi
    code=0
    printf '%s\n' "$answer"
}

# Holds the answer against what it must contain, and the exit code against what it must be.
expect() {
    local want_code="$1" want
    shift
    if [ "$code" != "$want_code" ]; then
        failures=$((failures + 1))
        printf '!! expected exit code %s, this was %s\n' "$want_code" "$code"
    fi
    for want in "$@"; do
        if ! grep -qF -- "$want" <<<"$answer"; then
            failures=$((failures + 1))
            printf '!! expected: %s\n' "$want"
        fi
    done
}

# --- the cluster ----------------------------------------------------------------------------------

# In its own process group, so that Ctrl-C reaches it once, from here.
set -m
"$DNC" dev --data-dir "$data" "${listen[@]}" >"$work/out" 2>"$work/err" &
cluster=$!
set +m

waited=0
until grep -q '^ready' "$work/out"; do
    if ! kill -0 "$cluster" 2>/dev/null; then
        cat "$work/out" "$work/err" >&2
        echo "the cluster did not start" >&2
        cluster=""
        exit 1
    fi
    waited=$((waited + 1))
    if [ "$waited" -gt 900 ]; then
        cat "$work/out" "$work/err" >&2
        echo "the cluster was not ready within 90 s" >&2
        exit 1
    fi
    sleep 0.1
done
grpc="$(sed -n 's/^ *gRPC *\(http[^ ]*\).*/\1/p' "$work/out")"
http="$(sed -n 's|^ *HTTP *http://\([^ ]*\).*|\1|p' "$work/out")"
export DNC_ROUTER="$grpc"
echo "a cluster of three meta voters, three nodes and a router runs in one process: gRPC at $grpc, HTTP at http://$http"

# What an interrupted demo may have left.
"$DNC" suppress remove +12015550123 --reason "the demo begins" >/dev/null 2>&1 || true

# --- the transcript -------------------------------------------------------------------------------

title "Load lists: the FTC's flat text, the same in a zip, Canada's XML, plain CSV"
federal="$work/$(date -u +%Y-%-m-%-d)_201_1B4E28BA-2FA1-4D3B-A3F5-EF19B5A7633B.txt"
cp $samples/2026-11-9_201_*.txt "$federal"
run "$DNC" import "$federal"
expect 0 "federal version" "6 numbers"
run "$DNC" import --list-date "$today" --covers 201 $samples/full_201.txt.zip
expect 0 "federal version" "6 unchanged"
run "$DNC" registry create dncl --type federal --jurisdiction CA
expect 0 "dncl"
run "$DNC" import --registry dncl --list-date "$today" $samples/dncl_full_ac_416.xml
expect 0 "dncl version" "3 numbers"
run "$DNC" registry create partners --type partner
expect 0 "partners"
run "$DNC" import --registry partners --list-date "$today" --covers 201 $samples/internal.csv
expect 0 "partners version"
run "$DNC" registry list
expect 0 "federal" "dncl" "partners" "internal"

title "A listed number, with the reason and the evidence"
run "$DNC" check +12015550100
expect 1 "LISTED" "federal_dnc_registry" "partner_list" "of $today"
rest /api/v1/dnc/check/+12015550100
expect 0 '"verdict":"LISTED"' '"may_call":false' '"on_dnc_list":true' '"federal_dnc_registry"' "\"list_date\":\"$today\""

title "A number on Canada's list"
run "$DNC" check 416-555-0123
expect 1 "LISTED" "federal_dnc_registry" "dncl"

title "A number that no list holds, in an area that the lists cover"
run "$DNC" check "(201) 555-0123"
expect 0 "+12015550123" "CLEAR"
rest /api/v1/dnc/check/2015550123
expect 0 '"verdict":"CLEAR"' '"may_call":true' '"on_dnc_list":false'

title "A number in an area that no list covers: not known, so not to be called"
run "$DNC" check 212-555-0100
expect 1 "UNKNOWN" "not_covered"
rest /api/v1/dnc/check/2125550100
expect 0 '"verdict":"UNKNOWN"' '"not_covered"' '"may_call":false'

title "What is no number"
run "$DNC" check 555-0100
expect 2 "not a phone number"
rest /api/v1/dnc/check/5550100
expect 0 "not a phone number"

title "Several at once, for a script"
run "$DNC" check 2015550100 2015550123 nonsense -o json
expect 2 '"verdict":"LISTED"' '"verdict":"CLEAR"' '"error":"not a phone number'

title "Somebody asks not to be called: the next check knows"
run "$DNC" suppress add 201-555-0123 --reason "asked by phone" --added-by demo
expect 0 "+12015550123 is listed in internal"
run "$DNC" check 201-555-0123
expect 1 "LISTED" "consumer_opt_out"
rest /api/v1/dnc/check/2015550123
expect 0 '"verdict":"LISTED"' '"consumer_opt_out"'
run "$DNC" suppress remove 201-555-0123 --reason "the demo ends" --removed-by demo
expect 0 "1 entry"
run "$DNC" check 201-555-0123
expect 0 "CLEAR"

if [ "$failures" -eq 0 ]; then
    title "All answers were the expected ones."
else
    title "$failures expectations were not met."
fi

if [ "${CI:-}" = true ]; then
    if [ "$failures" -ne 0 ]; then
        sed 's/^/log: /' "$work/err" | tail -n 50 >&2
        exit 1
    fi
    exit 0
fi

echo
echo "The cluster stays up until Ctrl-C."
cat "$work/out"
echo "(dnc is $DNC)"
wait "$cluster" || true
