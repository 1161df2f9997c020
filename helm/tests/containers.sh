#!/usr/bin/env bash
# Runs the chart's pods as containers of a Docker engine (helm/tests/containers): what the chart says of them, on no Kubernetes. Needs
# root.
#
#   DNC    the binary (found in the target folder)
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/image/engine.sh
. deploy/image/engine.sh

target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
DNC="$(realpath "${DNC:-$target/release/dnc}")"
export DNC
python="$(deploy/python.sh helm/tests/requirements.txt)"
if [ "${1:-}" != apart ]; then
    engine_prepare "$target/engine"
    engine_apart "$0" apart
    exit
fi

engine_start "$target/engine"
engine_base "$(sed -n 's/^ARG BASE=//p' deploy/image/Dockerfile)"
deploy/image/build.sh >/dev/null
cd helm/tests
"$python" -m pytest -q -s -p no:cacheprovider --confcutdir=containers containers
