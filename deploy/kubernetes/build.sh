#!/usr/bin/env bash
# Builds Kubernetes from Debian's source package, for the test of the chart: no cluster need be reached, and no binary fetched. About
# eleven minutes on two cores, once: the binaries are kept. When it is ended early it goes on where it was. Needs root.
#
#   deploy/kubernetes/build.sh FOLDER    where the binaries are kept
set -euo pipefail

folder="$(realpath -m "$1")"
wanted=(kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl)

complete() {
    local one
    for one in "${wanted[@]}"; do [ -x "$folder/$one" ] || return 1; done
}
if complete; then exit 0; fi

work="$folder.part"
mkdir -p "$folder" "$work"/{apt/lists/partial,apt/cache/archives/partial,home}
needed=(golang-1.19-go dpkg-dev rsync make)
dpkg-query --show "${needed[@]}" >/dev/null 2>&1 ||
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${needed[@]}"; }

if [ ! -d "$work/source" ]; then
    # Sources, from where this machine has its Debian packages, in a list of their own: the machine's stays as it is.
    # shellcheck disable=SC2016 # what is replaced, apt replaces.
    apt-get indextargets 'Created-By: Packages' 'Origin: Debian' 'Component: main' --format \
        'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(RELEASE) main' |
        sort -u >"$work/apt/sources.list"
    only=(-o Dir::Etc::SourceList="$work/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o Dir::State::Lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" -o APT::Sandbox::User=root)
    apt-get "${only[@]}" update -q
    (cd "$work" && apt-get "${only[@]}" source -q --download-only kubernetes)
    rm -rf "$work/source.part"
    dpkg-source -x "$work"/kubernetes_*.dsc "$work/source.part"
    mv "$work/source.part" "$work/source"
fi

# Its own build looks for itself below a GOPATH.
cd "$work/source"
mkdir -p .go/src/k8s.io
[ -L .go/src/k8s.io/kubernetes ] || ln -s ../../.. .go/src/k8s.io/kubernetes
env -u GOFLAGS HOME="$work/home" GOPATH="$PWD/.go" GOCACHE="$work/cache" PATH="/usr/lib/go-1.19/bin:$PATH" CGO_ENABLED=0 \
    KUBE_STATIC_OVERRIDES="${wanted[*]}" nice make WHAT="${wanted[*]/#/cmd/}"
for one in "${wanted[@]}"; do
    cp "_output/bin/$one" "$folder/$one.part"
    mv "$folder/$one.part" "$folder/$one"
done
cd /
rm -rf "$work"
