#!/usr/bin/env bash
# A Docker engine of its own, for tests on a machine where none runs and no registry of images is reached: its own data, its own
# socket, images made from Debian's packages. To be sourced; needs root.
#
# shellcheck disable=SC2034 # engine_compose is for whoever sources this.
#
#   engine_start FOLDER FLAG...   starts it with these flags, and sets DOCKER_HOST and engine_compose
#   engine_base NAME              makes an image of this name with what the binary needs and no more: no shell either
#   engine_stop                   ends it, and every container with it

engine_pid=""
engine_folder=""
# How Compose is called.
engine_compose=()

# What the tests need and this machine lacks. Compose is not in Debian 12: it is taken from the release after.
engine_install() {
    local missing=()
    command -v dockerd >/dev/null || missing+=(docker.io)
    command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
    command -v prometheus >/dev/null || missing+=(prometheus)
    command -v curl >/dev/null || missing+=(curl)
    if [ "$(id -u)" -ne 0 ]; then
        echo "a Docker engine is started for this: run it as root" >&2
        return 1
    fi
    if [ ${#missing[@]} -gt 0 ]; then
        echo "installing: ${missing[*]}"
        apt-get update -q
        DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
    fi
    engine_install_compose
}

engine_install_compose() {
    if docker compose version >/dev/null 2>&1; then
        engine_compose=(docker compose)
        return
    fi
    local kept="$engine_folder/compose" apt="$engine_folder/apt"
    if [ ! -d "$kept" ]; then
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
    engine_compose=("$kept/usr/libexec/docker/cli-plugins/docker-compose")
}

engine_start() {
    engine_folder="$(realpath -m "$1")"
    shift
    mkdir -p "$engine_folder"
    engine_install
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
    mmdebstrap --quiet --variant=extract --include=libc6,libgcc-s1,libstdc++6,ca-certificates bookworm - |
        docker import - "$1" >/dev/null
}

engine_stop() {
    [ -n "$engine_pid" ] || return 0
    kill -TERM "$engine_pid" 2>/dev/null || true
    wait "$engine_pid" 2>/dev/null || true
    engine_pid=""
    # Images and volumes of a test are of no use to the next one. The engine leaves mounts of its own below the folder.
    local mounted
    while read -r mounted; do umount --lazy "$mounted" || true; done \
        < <(awk -v under="$engine_folder/" 'index($2, under) == 1 { print $2 }' /proc/mounts | sort -r)
    rm -rf "$engine_folder/data" "$engine_folder/exec"
}
