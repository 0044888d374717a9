.DEFAULT_GOAL := build
.PHONY: help demo step exercise check exercises-check build demo-controller event-controller run test e2e conformance bench bench-peers lint book fmt doc image-settings build-image push-image image-check dockerfile-check node-check

ARGS ?=
# Build for another machine: make build TARGET=aarch64-unknown-linux-gnu
TARGET ?=

# The image is DOCKER_REPO/BIN:TAG. A node caches the image of a tag, so that a tag has to mean one image.
DOCKER_REPO ?=
BIN ?= demo-controller
# Build for another architecture: make build-image PLATFORM=linux/arm64
PLATFORM ?=
# The commit, with a hash of uncommitted changes. Also in `--version`.
ifndef REVISION
changes = { git diff HEAD; git ls-files -z --others --exclude-standard | xargs -0r cat 2>/dev/null; }
REVISION := $(shell git describe --always 2>/dev/null && $(changes) | grep -q . && $(changes) | git hash-object --stdin | cut -c1-7)
REVISION := $(subst $() ,-dirty-,$(strip $(REVISION)))
endif
TAG ?= $(REVISION)$(if $(PLATFORM),-$(notdir $(PLATFORM)))
IMAGE = $(DOCKER_REPO)/$(BIN):$(TAG)
# The first one that answers: its client may be installed without a server.
ENGINE ?= $(firstword $(foreach engine,docker podman,$(if $(shell $(engine) info >/dev/null 2>&1 && echo yes),$(engine))))
# The address of the source, if git knows one, without a password in it.
source := $(filter https://%,$(shell git remote get-url origin 2>/dev/null | sed 's,//[^/]*@,//,'))
# podman 4 does not set it, and would ask for a base image of the other architecture.
host = linux/$(subst x86_64,amd64,$(subst aarch64,arm64,$(shell uname -m)))

# Static, so that the image needs no libc. `cargo rustc` passes the flag to this binary only: in RUSTFLAGS it would also
# apply to procedural macros, and the compiler cannot load static ones.
static = REVISION=$(REVISION) cargo rustc --release --locked -p $(1) --bin $(1) $(if $(TARGET),--target $(TARGET)) -- -C target-feature=+crt-static \
	&& cp target/$(if $(TARGET),$(TARGET)/)release/$(1) $(1)

build: demo-controller ## build ./demo-controller, static (the default)

demo-controller:
	$(call static,demo-controller)

event-controller: ## build ./event-controller/event-controller, static
	$(call static,event-controller)

help: ## print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Without --release, which takes longer to build.
demo: ## run the controller in a simulated cluster, with exercises: make demo ARGS="--explain"
	cargo run --locked -p playground -- $(ARGS)

# The programs in examples/; `cargo run --example step3_reflector` uses your kubeconfig.
step: ## run a step program in a simulated cluster: make step N=3
	@[ -f "$(wildcard examples/step$(N)_*.rs)" ] || { echo "N=$(N): expected 1 to 7" >&2; exit 2; }
	cargo build --locked --examples
	cargo run --locked -p playground -- --step target/debug/examples/$(basename $(notdir $(wildcard examples/step$(N)_*.rs))) $(ARGS)

exercise: ## start an exercise of the book: make exercise N=4
	@docs/exercises/run start $(N)

check: ## check your solution of an exercise: make check N=4
	@docs/exercises/run check $(N)

exercises-check: ## test all exercises: each stub fails, each solution passes
	docs/exercises/run check-all

run: build ## build, and run with your kubeconfig: make run ARGS="--explain -n app1"
	./demo-controller $(ARGS)

image-settings:
	@[ -n "$(DOCKER_REPO)" ] || { echo "DOCKER_REPO is not set: expected an image repository, for example" \
		"DOCKER_REPO=registry.example.com/team" >&2; exit 2; }
	@[ -n "$(TAG)" ] || { echo "TAG is not set, and this is not a git checkout: expected TAG=1.0, for example" >&2; exit 2; }
	@[ -n "$(ENGINE)" ] || { echo "neither docker nor podman answers to 'info': start or install one of them" >&2; exit 2; }

build-image: image-settings ## build the image with docker or podman: make build-image DOCKER_REPO=registry.example.com/team [BIN=event-controller]
	DOCKER_BUILDKIT=1 $(ENGINE) build $(if $(PLATFORM),--platform $(PLATFORM)) \
		$(if $(filter podman,$(ENGINE)),--build-arg BUILDPLATFORM=$(host)) \
		--target $(BIN) --build-arg BIN=$(BIN) --build-arg REVISION=$(REVISION) \
		--label org.opencontainers.image.title=$(BIN) --label org.opencontainers.image.version=$(TAG) --label org.opencontainers.image.revision=$(REVISION) \
		$(if $(source),--label org.opencontainers.image.source=$(source)) \
		--tag $(IMAGE) .

push-image: image-settings ## push the image, with the same DOCKER_REPO
	$(ENGINE) push $(IMAGE)
	@echo "set this in the manifest of $(BIN): image: $(IMAGE)"

# Needs root for chroot and mknod, but no container engine.
image-check: build ## test the binary in an empty root directory, as in the image; needs root and KUBEBUILDER_ASSETS
	IMAGE_BINARY=$(CURDIR)/demo-controller cargo test --locked --test e2e -- --real image::

dockerfile-check: ## build the image with buildah, with this machine's toolchain as the base; needs root
	tests/image/build

# NODE runs a command in a cluster of one node, as described in tests/node/main.rs. A kubelet reads changes every minute otherwise.
# With ARGS=--include-ignored also the scenario that takes 11 minutes.
NODE ?= ../shared/node/run
node-check: build event-controller ## run the manifests on a real node; needs root, and NODE, which runs a command in a cluster
	cargo test --locked --test node --no-run
	KUBELET_ARGS=--sync-frequency=5s $(NODE) cargo test --locked --offline --test node -- --real $(ARGS)

test: ## run all tests, except those on real API servers
	cargo test --locked --workspace

e2e: ## test the binaries on real API servers; needs KUBEBUILDER_ASSETS
	cargo test --locked --test e2e -- --real

conformance: ## run the tests of the embedded API server on a real one; needs KUBEBUILDER_ASSETS
	cargo test --locked -p apiserver --test conformance -- --real

bench: ## run the benchmarks: queue, decoder, store, watch, plugins, embedded API server
	cargo bench --locked --workspace

# PEERS: a folder with other controllers, and `measure`, which runs all of them on one API server.
PEERS ?= ../shared/peers
bench-peers: build ## measure the binary beside other controllers on a real API server; needs PEERS
	(cd $(PEERS)/client-go && go build -o bin/peer .) && (cd $(PEERS)/load && go build -o bin/load .)
	(cd $(PEERS)/kube-runtime && cargo build --release)
	seq -f svc-%g 0 499 >target/allowed-names
	$(PEERS)/measure --candidate "ours=$(CURDIR)/demo-controller --listen {http} --log-format json" \
		--pki-candidate "ours=$(CURDIR)/demo-controller --listen {http} --allowed-names $(CURDIR)/target/allowed-names" $(ARGS)

lint: ## check formatting, clippy and rustdoc; warnings are errors
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

# A build of its own, because the book needs no other tool.
mdbook := target/mdbook/bin/mdbook
$(mdbook):
	cargo install --locked --root target/mdbook mdbook@0.5.4 --no-default-features --features search

book: $(mdbook) ## build the book: target/book/docs/index.html
	UPDATE_BOOK=1 cargo test --locked --test book --quiet code
	$(mdbook) build docs
	git ls-files -z | xargs -0 cp --parents -t target/book

fmt: ## format the source
	cargo fmt --all

doc: ## open the documentation of the source in a browser
	cargo doc --locked --workspace --no-deps --document-private-items --open
