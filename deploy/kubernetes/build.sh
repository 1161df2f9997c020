#!/usr/bin/env bash
# Builds Kubernetes from Debian's source package, for the test of the chart: no cluster need be reached, and no binary fetched. About
# twenty minutes on two cores, once: they are kept.
#
#   deploy/kubernetes/build.sh FOLDER    where the binaries are kept
set -euo pipefail

folder="$(realpath -m "$1")"
wanted=(kube-apiserver kube-controller-manager kube-scheduler kubelet)
go=/usr/lib/go-1.19/bin

complete() {
    local one
    for one in "${wanted[@]}"; do [ -x "$folder/$one" ] || return 1; done
}
if complete; then exit 0; fi
if [ "$(id -u)" -ne 0 ]; then
    echo "packages are installed for this: run it as root" >&2
    exit 1
fi

work="$folder.part"
mkdir -p "$folder" "$work"/{apt/lists/partial,apt/cache/archives/partial,home}
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends golang-1.19-go dpkg-dev rsync make

# Sources are in a list of their own, so that the machine's stays as it is.
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main" >"$work/apt/sources.list"
only=(-o Dir::Etc::SourceList="$work/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o Dir::State::Lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" -o APT::Sandbox::User=root)
apt-get "${only[@]}" update -q
if [ ! -d "$work/source" ]; then
    (cd "$work" && apt-get "${only[@]}" source -q --download-only kubernetes && dpkg-source -x kubernetes_*.dsc source)
fi

# Its own build looks for itself below a GOPATH.
cd "$work/source"
mkdir -p .go/src/k8s.io
[ -L .go/src/k8s.io/kubernetes ] || ln -s ../../.. .go/src/k8s.io/kubernetes
env -u GOFLAGS HOME="$work/home" GOPATH="$PWD/.go" GOCACHE="$work/cache" PATH="$go:$PATH" CGO_ENABLED=0 \
    nice make WHAT="${wanted[*]/#/cmd/}"
for one in "${wanted[@]}"; do
    cp "_output/bin/$one" "$folder/$one.part"
    mv "$folder/$one.part" "$folder/$one"
done
cd /
rm -rf "$work"
