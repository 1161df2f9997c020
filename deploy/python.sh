#!/usr/bin/env bash
# Makes an environment of its own for tests that are written in Python, and says which python has what they need.
#
#   deploy/python.sh REQUIREMENTS    a file that pins everything
set -euo pipefail
cd "$(dirname "$0")/.."

requirements="$1"
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
pinned="$(sha256sum "$requirements" | cut -c1-12)"
environment="$target/python-$pinned"
if [ ! -x "$environment/bin/python" ]; then
    deploy/setup.sh python >&2
    mkdir -p "$target"
    rm -rf "$environment.part"
    python3 -m venv "$environment.part"
    "$environment.part/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$requirements" >&2
    # Whole or not there. Scripts name the folder that they were installed in, so packages are run as modules.
    mv "$environment.part" "$environment"
fi
echo "$environment/bin/python"
