#!/usr/bin/env bash
# Installs what a build needs and this machine lacks. With everything there it does nothing.
#
#   deploy/setup.sh          for a build
#   deploy/setup.sh python   for the tests that are written in Python
#   deploy/setup.sh --tests  also what only tests need: an SFTP server
#   deploy/setup.sh --rules  also what tests of rules and dashboards need: Prometheus
#   deploy/setup.sh --bench  also what a cluster is compared with: Redis, PostgreSQL
#   deploy/setup.sh --chaos  also what only the chaos suite needs: ip and nft
#   deploy/setup.sh --count  also what counts instructions: valgrind
set -euo pipefail

# Whether a file of one of these names exists.
any_file() {
    local pattern
    for pattern in "$@"; do
        if compgen -G "$pattern" >/dev/null; then return 0; fi
    done
    return 1
}

# Packages that are missing, by Debian's names.
missing=()
if [ "${1:-}" = python ]; then
    python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
fi
# It builds RocksDB in about half of g++'s time.
command -v clang >/dev/null || missing+=(clang)
# RocksDB's bindings are generated with libclang. (libclang-cpp is another library.)
[ -n "${LIBCLANG_PATH:-}" ] || any_file /usr/lib{,64}/{,*/,llvm-*/lib/}libclang{,-[0-9]*}.so* || missing+=(libclang-dev)
# The C++ standard library's headers, and a linker that rustc calls `cc`.
{ any_file /usr/include/c++/* && command -v cc >/dev/null; } || missing+=(g++)

# Lists are fetched from a real SFTP server in tests, which start it themselves.
if [ "${1:-}" = --tests ]; then
    [ -x /usr/sbin/sshd ] || missing+=(openssh-server)
    command -v ssh-keygen >/dev/null || missing+=(openssh-client)
fi

# Rules are read by Prometheus itself.
if [ "${1:-}" = --rules ]; then
    command -v prometheus >/dev/null && command -v promtool >/dev/null || missing+=(prometheus)
fi

# They are run by the bench itself, in folders and at ports of its own, never as services of the machine.
if [ "${1:-}" = --bench ]; then
    command -v redis-server >/dev/null || missing+=(redis-server)
    any_file /usr/lib/postgresql/*/bin/initdb || missing+=(postgresql)
fi

# What counts the instructions of inner loops.
if [ "${1:-}" = --count ]; then
    command -v valgrind >/dev/null || missing+=(valgrind)
fi

# Processes in network namespaces, and faults between them.
if [ "${1:-}" = --chaos ]; then
    command -v ip >/dev/null || missing+=(iproute2)
    command -v nft >/dev/null || missing+=(nftables)
fi

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
