#!/usr/bin/env bash
# A container runtime for machines on which nobody may protect a process from the kernel's choice when memory runs out: Kubernetes
# asks for that, and runc would fail. It is raised to "as any other", and the rest is runc's.
set -euo pipefail

bundle=.
arguments=("$@")
for ((at = 0; at < $#; at++)); do
    if [ "${arguments[$at]}" = --bundle ]; then bundle="${arguments[$((at + 1))]}"; fi
done
if [ -f "$bundle/config.json" ]; then
    sed -i -E 's/"oomScoreAdj": ?-[0-9]+/"oomScoreAdj":0/' "$bundle/config.json"
fi
exec runc "$@"
