#!/usr/bin/env bash
# Makes the image from a binary that was built on this machine: in seconds, where the build stage takes many minutes.
#
#   DNC    the binary (found in the target folder)
#   IMAGE  the image's name (dnc)
#   BASE   the image that it is laid on (the Dockerfile's)
set -euo pipefail
cd "$(dirname "$0")/../.."

DNC="${DNC:-${CARGO_TARGET_DIR:-target}/release/dnc}"
context="$(mktemp -d)"
trap 'rm -rf "$context"' EXIT

# What the stages before the build stage copy, and no more: the target folder is large.
mkdir -p "$context/deploy/image"
cp -r deploy/image/folder "$context/deploy/image/"
cp "$DNC" "$context/dnc"
docker build --file deploy/image/Dockerfile --target prebuilt --tag "${IMAGE:-dnc}" ${BASE:+--build-arg BASE="$BASE"} "$context"
