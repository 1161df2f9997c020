#!/usr/bin/env bash
# Installs the chart on a real Kubernetes that runs on this machine alone, and lets it live under load (helm/tests/kubernetes). Needs
# root. Kubernetes is Debian's, 1.20: what it lacks of later versions is gated in the chart and covered by `make test-helm`.
#
#   DNC    the binary (found in the target folder)
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/image/engine.sh
. deploy/image/engine.sh

target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
DNC="$(realpath "${DNC:-$target/release/dnc}")"
KUBERNETES="$target/kubernetes-1.20"
export DNC KUBERNETES
if [ "$(stat --file-system --format %T /sys/fs/cgroup)" = cgroup2fs ]; then
    echo "this Kubernetes needs control groups of the first version, and the machine has the second" >&2
    exit 1
fi
python="$(deploy/python.sh helm/tests/requirements.txt)"
if [ "${1:-}" != apart ]; then
    engine_prepare "$target/kubernetes-test" etcd-server conntrack ebtables socat openssl gcc libc6-dev
    deploy/kubernetes/build.sh "$KUBERNETES"
    engine_apart "$0" apart
    exit
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

engine_start "$target/kubernetes-test" --add-runtime "spared=$PWD/deploy/kubernetes/runc.sh" --default-runtime spared
engine_base "$(sed -n 's/^ARG BASE=//p' deploy/image/Dockerfile)"
deploy/image/build.sh
# What holds a pod's network: it waits, and does nothing else.
printf 'int pause(void);\nint main(void) { for (;;) pause(); }\n' | cc -static -O2 -x c -o "$work/pause" -
printf 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n' >"$work/Dockerfile"
docker build --quiet --tag pause:test "$work"

cd helm/tests
"$python" -m pytest -q -s -p no:cacheprovider --confcutdir=kubernetes --basetemp="$work/pytest" kubernetes
