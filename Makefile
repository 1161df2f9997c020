# Each target is a line that a person could type. Everything is built in release, with the whole workspace's features, so that
# RocksDB and the other dependencies are built once for all targets. CARGO_TARGET_DIR may lie anywhere and is reused.

# Python writes no files beside its sources.
export PYTHONDONTWRITEBYTECODE = 1
export CARGO_TARGET_DIR ?= $(CURDIR)/target
DNC = $(CARGO_TARGET_DIR)/release/dnc
CHAOS = $(CARGO_TARGET_DIR)/release/dnc-chaos
SIM = $(CARGO_TARGET_DIR)/release/dnc-sim
BENCH = $(CARGO_TARGET_DIR)/release/dnc-bench
SEED ?= 1
MINUTES ?= 1
SEEDS ?= 3

.PHONY: help setup build demo test api-test test-helm test-dashboards test-chart image compose-up test-image test-kubernetes lint bench bench-compare bench-growth bench-national instructions sim chaos chaos-smoke chaos-mutants ci

help:        ## say what there is
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## +/\t/' | expand -t 18

setup:       ## install what a build needs and this machine lacks: clang, libclang
	@deploy/setup.sh

build: setup ## build the binary
	cargo build --release --workspace --bins

demo: build  ## run a cluster, load the sample lists, check some numbers; stays up until Ctrl-C
	DNC=$(DNC) deploy/demo.sh

test: build  ## run all tests
	@deploy/setup.sh --tests
	@if cargo nextest --version >/dev/null 2>&1; then set -x; cargo nextest run --release --workspace; else set -x; cargo test --release --workspace; fi

api-test: build ## hold a running router against its OpenAPI document: some minutes. EXAMPLES=50 to choose
	DNC=$(DNC) deploy/schemathesis.sh

test-helm:   ## the chart by Helm's own engine, against Kubernetes' schemas; rules, alerts and runbooks
	@deploy/setup.sh --rules
	cd helm/tests && "$$(../../deploy/python.sh helm/tests/requirements.txt)" -m pytest -q -p no:cacheprovider --ignore=live --ignore=containers --ignore=kubernetes

test-dashboards: build ## every expression of every dashboard, against a Prometheus that scrapes a cluster
	@deploy/setup.sh --rules
	cd helm/tests && DNC=$(DNC) "$$(../../deploy/python.sh helm/tests/requirements.txt)" -m pytest -q -p no:cacheprovider --confcutdir=live live

test-chart: build ## the chart's pods as containers: replaced, grown, shrunk and started again under load; needs root
	DNC=$(DNC) helm/tests/containers.sh

image: build ## the image, from the binary that is built here
	DNC=$(DNC) deploy/image/build.sh

compose-up: image ## a cluster of ten containers with Prometheus, on loopback; `docker compose -f deploy/compose.yml down -v` ends it
	docker compose --file deploy/compose.yml up --detach --wait

test-image: build ## the image and the Compose file, while containers are killed and cut off; needs root
	DNC=$(DNC) deploy/image/test.sh

test-kubernetes: build ## the chart on a real Kubernetes on this machine, changed under load; needs root. Builds Kubernetes once
	DNC=$(DNC) deploy/kubernetes/test.sh

lint: setup  ## formatting and clippy, warnings denied
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings

bench: build ## measure the parts, then a cluster in one process under load
	cargo bench --workspace
	DNC=$(DNC) deploy/bench.sh

bench-compare: build ## a cluster against Redis and PostgreSQL, servers on core 1, load on core 0. NUMBERS=10000000 ROUNDS=5 NODES=1 to choose
	@deploy/setup.sh --bench
	deploy/bench-compare.sh

bench-growth: build ## what a check, a number and an import cost with ever more numbers and nodes, into docs/capacity.md. Quarter of an hour
	DNC_TESTS_BINARY=$(DNC) $(BENCH) growth --json docs/growth.json --svg docs/growth.svg --markdown docs/capacity.md

bench-national: build ## the whole national registry on three replicas, into docs/performance.md. Takes 20 GB of disk for some minutes
	DNC_TESTS_BINARY=$(DNC) $(BENCH) national --markdown docs/performance.md

instructions: ## count the instructions of the inner loops against docs/instructions.json. ARGS=--write to write them down
	@deploy/setup.sh --count
	cargo build --release --workspace --examples
	@deploy/instructions.py $(CARGO_TARGET_DIR)/release/examples/inner_loops docs/instructions.json $(ARGS)

sim: SEEDS = 50
sim: build   ## a whole cluster in one thread and in simulated time, a seed decides all of it. SEEDS=1000 to choose
	$(SIM) run --seeds $(SEEDS) --from $(SEED)

chaos: build ## every fault against a real cluster, each on its own; needs root. SEED=7 MINUTES=2 to choose
	@deploy/setup.sh --chaos
	$(CHAOS) run --scenario all --seed $(SEED) --minutes $(MINUTES)

chaos-smoke: build ## a few of them, in less than five minutes; needs root
	@deploy/setup.sh --chaos
	$(CHAOS) run --scenario smoke --seed $(SEED) --minutes 0.5

# The binary with the bugs is built first and put aside: what is called dnc in the end has none.
chaos-mutants: setup ## bugs planted on purpose, and which scenario finds each of them; needs root. SEEDS=3 to choose
	@deploy/setup.sh --chaos
	cargo build --release --workspace --bin dnc --features dnc-cli/planted-bugs
	cp $(DNC) $(DNC)-planted
	cargo build --release --workspace --bins
	DNC_TESTS_BINARY=$(DNC)-planted $(CHAOS) mutants --seeds $(SEEDS)

ci:          ## what the continuous integration runs
	.ci/run
