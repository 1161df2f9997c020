#!/usr/bin/env bash
# Installs the chart on a real Kubernetes that runs on this machine alone, and lets it live under load (helm/tests/kubernetes). Needs
# root. Kubernetes is Debian's, 1.20: what it lacks of later versions is gated in the chart and covered by `make test-helm`.
#
#   DNC                    the binary (found in the target folder)
#   DNC_KUBERNETES_CACHE   where Kubernetes' binaries are kept, for they take long to build (below ~/.cache)
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/image/engine.sh
. deploy/image/engine.sh

target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
DNC="$(realpath "${DNC:-$target/release/dnc}")"
KUBERNETES="${DNC_KUBERNETES_CACHE:-$HOME/.cache/dnc-kubernetes}/1.20"
export DNC KUBERNETES

# What this machine cannot do, it says, and fails: a test that was not run has not passed.
cannot() {
    echo "make test-kubernetes cannot run here: $*" >&2
    exit 1
}
if [ "${1:-}" != apart ]; then
    [ "$(id -u)" -eq 0 ] || cannot "it needs root"
    [ -d /sys/fs/cgroup/memory ] || cannot "this Kubernetes needs control groups of the first version"
    [ -e /proc/sys/net/bridge ] || modprobe br_netfilter 2>/dev/null || cannot "the kernel has no br_netfilter, which Services need"
    engine_prepare "$target/engine" etcd-server dnsmasq-base conntrack ebtables socat openssl gcc libc6-dev
    deploy/python.sh helm/tests/requirements.txt >/dev/null
    deploy/kubernetes/build.sh "$KUBERNETES"
    # Removed from here: there, a kubelet that was killed leaves mounts in it.
    work="$(mktemp -d)"
    trap 'rm -rf "$work"' EXIT
    engine_apart "$0" apart "$work"
    exit
fi

work="$2"
# Folders that Kubernetes has by name are of this test alone, and end with it.
mount -t tmpfs none /run
mount -t tmpfs none /var/log
# What it wants of the whole machine's kernel it is shown, and does not get.
while read -r name value; do
    echo "$value" >"$work/$(basename "$name")"
    mount --bind "$work/$(basename "$name")" "/proc/sys/$name"
done <<'END'
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
END

engine_start "$target/engine" --add-runtime "spared=$PWD/deploy/kubernetes/runc.sh" --default-runtime spared
engine_base "$(sed -n 's/^ARG BASE=//p' deploy/image/Dockerfile)"
IMAGE=dnc:first deploy/image/build.sh >/dev/null 2>&1
# To upgrade to: the same, and another image.
printf 'FROM dnc:first\nLABEL second=yes\n' | docker build --quiet --tag dnc:second - >/dev/null 2>&1
# What holds a pod's network: it waits until it is told to end, and does nothing else.
cc -static -O2 -x c -o "$work/pause" - <<'END'
#include <signal.h>
#include <unistd.h>
static void end(int signal) {
    (void)signal;
    _exit(0);
}
int main(void) {
    signal(SIGTERM, end);
    for (;;) pause();
}
END
printf 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n' >"$work/Dockerfile"
docker build --quiet --tag pause:test "$work" >/dev/null

python="$(deploy/python.sh helm/tests/requirements.txt)"
cd helm/tests
"$python" -m pytest -q -s -p no:cacheprovider --confcutdir=kubernetes --basetemp="$work/pytest" kubernetes
