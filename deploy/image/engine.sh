#!/usr/bin/env bash
# A Docker engine of its own, for tests on a machine where none runs and no registry of images is reached: its own data, its own
# socket, images made from Debian's packages. It lives in namespaces of its own (network, mounts, processes): its bridges and rules
# for packets are none of this machine's, and nothing is left when the test ends. To be sourced; needs root.
#
# shellcheck disable=SC2034 # engine_compose is for whoever sources this.
#
#   engine_prepare FOLDER PACKAGE...   installs what is needed, these Debian packages too; what needs a network
#   engine_apart COMMAND...            runs this command apart from the machine, and ends everything with it
#   engine_start FOLDER FLAG...        there: starts the engine with these flags, and sets DOCKER_HOST and engine_compose
#   engine_base NAME                   there: makes an image of this name with what the binary needs and no more: no shell either

engine_pid=""
engine_folder=""
# How Compose is called.
engine_compose=()

engine_prepare() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "a Docker engine is started for this: run it as root" >&2
        return 1
    fi
    engine_folder="$(realpath -m "$1")"
    shift
    mkdir -p "$engine_folder"
    local package missing=()
    for package in docker.io mmdebstrap iproute2 iptables "$@"; do
        dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        echo "installing: ${missing[*]}"
        apt-get update -q
        DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
    fi
    engine_fetch_compose
    if [ ! -f "$engine_folder/base.tar" ]; then
        mmdebstrap --quiet --variant=extract --include=libc6,libgcc-s1,libstdc++6,ca-certificates bookworm \
            "$engine_folder/base.part.tar"
        mv "$engine_folder/base.part.tar" "$engine_folder/base.tar"
    fi
}

# It is not in Debian 12, and is taken from the release after.
engine_fetch_compose() {
    local kept="$engine_folder/compose" apt="$engine_folder/apt"
    if ! docker compose version >/dev/null 2>&1 && [ ! -d "$kept" ]; then
        mkdir -p "$apt"/lists/partial "$apt"/cache/archives/partial
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main" \
            >"$apt/sources.list"
        local only=(-o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
            -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root)
        apt-get "${only[@]}" update -q
        (cd "$apt" && apt-get "${only[@]}" download -q docker-compose)
        dpkg-deb -x "$apt"/docker-compose_*.deb "$kept.part"
        rm -rf "$apt"
        mv "$kept.part" "$kept"
    fi
}

# Images and volumes of a test are of no use to the next one.
engine_clean() { rm -rf "$engine_folder"/{data,exec,docker.sock,dockerd.pid}; }

engine_apart() {
    # One that was killed had no time for it.
    engine_clean
    # Whatever runs in these namespaces ends when their first process does.
    local code=0
    unshare --net --mount --pid --fork --kill-child --mount-proc -- "$@" || code=$?
    engine_clean
    return "$code"
}

engine_start() {
    engine_folder="$(realpath -m "$1")"
    shift
    ip link set lo up
    engine_compose=("$engine_folder/compose/usr/libexec/docker/cli-plugins/docker-compose")
    if docker compose version >/dev/null 2>&1; then engine_compose=(docker compose); fi
    export DOCKER_HOST="unix://$engine_folder/docker.sock"
    # The builder of the engine itself: the newer one is a plugin that may not be here.
    export DOCKER_BUILDKIT=0
    dockerd --data-root "$engine_folder/data" --exec-root "$engine_folder/exec" --host "$DOCKER_HOST" \
        --pidfile "$engine_folder/dockerd.pid" "$@" >"$engine_folder/dockerd.log" 2>&1 &
    engine_pid=$!
    local waited=0
    until docker info >/dev/null 2>&1; do
        waited=$((waited + 1))
        if ! kill -0 "$engine_pid" 2>/dev/null || [ "$waited" -gt 300 ]; then
            tail -n 20 "$engine_folder/dockerd.log" >&2
            echo "the Docker engine did not start" >&2
            return 1
        fi
        sleep 0.1
    done
}

engine_base() {
    docker import "$engine_folder/base.tar" "$1" >/dev/null
}
