#!/usr/bin/env bash
# Installs what a build needs and this machine lacks. With everything there it does nothing.
set -euo pipefail

# apt packages that are missing.
missing=()
command -v clang >/dev/null || missing+=(clang)
# RocksDB's bindings are generated with libclang.
ls /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang*.so* /usr/lib64/libclang*.so* >/dev/null 2>&1 ||
    [ -n "${LIBCLANG_PATH:-}" ] || missing+=(libclang-dev)
# The C++ standard library's headers, and a linker that rustc calls `cc`.
ls /usr/include/c++ >/dev/null 2>&1 || missing+=(libstdc++-12-dev)
command -v cc >/dev/null || missing+=(gcc libc6-dev)

if ! command -v cargo >/dev/null; then
    echo "cargo is missing: install Rust from https://rustup.rs, then run this again" >&2
    exit 1
fi
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

sudo=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "missing: ${missing[*]}. Install them (on Debian, as root: apt-get install ${missing[*]}), then run this again" >&2
        exit 1
    fi
    sudo=(sudo)
fi
if ! command -v apt-get >/dev/null; then
    echo "missing: ${missing[*]} (names of Debian's packages). Install what your system calls them, then run this again" >&2
    exit 1
fi
echo "installing: ${missing[*]}"
"${sudo[@]}" apt-get update -q
DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}"
