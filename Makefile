.DEFAULT_GOAL := build
.PHONY: help demo build event-controller run test e2e conformance bench lint fmt doc image-settings build-image push-image image-check

ARGS ?=
# Build for another machine: make build TARGET=aarch64-unknown-linux-gnu
TARGET ?=

# The image is DOCKER_REPO/demo-controller:TAG. Each build has a tag of its own, because a node keeps the image of a tag.
DOCKER_REPO ?=
TAG ?= $(shell git describe --always --dirty 2>/dev/null || echo latest)
IMAGE = $(DOCKER_REPO)/demo-controller:$(TAG)
# Build for another architecture: make build-image PLATFORM=linux/arm64
PLATFORM ?=
ENGINE ?= $(firstword $(foreach engine,docker podman,$(if $(shell command -v $(engine)),$(engine))))

# Static, so that the image needs nothing else. `cargo rustc` passes the flag to this one binary: in RUSTFLAGS it would apply
# to procedural macros as well, and the compiler cannot load those when they are static.
static = cargo rustc --release --locked -p $(1) --bin $(1) $(if $(TARGET),--target $(TARGET)) -- -C target-feature=+crt-static \
	&& cp target/$(if $(TARGET),$(TARGET)/)release/$(1) $(1)

build: ## ./demo-controller, static (this is what plain `make` does)
	$(call static,demo-controller)

event-controller: ## ./event-controller/event-controller, static
	$(call static,event-controller)

help: ## print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Not the release profile: it takes longer to build than the story takes.
demo: ## no cluster? a simulated one, and a story: make demo ARGS="--explain"
	cargo run --locked -p playground -- $(ARGS)

run: build ## build, then run against your kubeconfig: make run ARGS="--explain -n app1"
	./demo-controller $(ARGS)

image-settings:
	@[ -n "$(DOCKER_REPO)" ] || { echo "DOCKER_REPO is not set: expected a repository of images, such as" \
		"DOCKER_REPO=registry.example.com/team" >&2; exit 2; }
	@[ -n "$(ENGINE)" ] || { echo "found neither docker nor podman: one of them builds and pushes images" >&2; exit 2; }

build-image: image-settings ## the image, with docker or podman: make build-image DOCKER_REPO=registry.example.com/team
	$(ENGINE) build $(if $(PLATFORM),--platform $(PLATFORM)) --tag $(IMAGE) .

push-image: image-settings ## push the image, with the same DOCKER_REPO
	$(ENGINE) push $(IMAGE)
	@echo "put this into demo-controller.yaml: image: $(IMAGE)"

# Tests the image without a container engine. Needs root to create a root directory.
image-check: build ## the binary alone in an empty root directory, with the manifest's settings; needs root and KUBEBUILDER_ASSETS
	IMAGE_BINARY=$(CURDIR)/demo-controller cargo test --locked --test e2e -- --real image::

test: ## all tests, except those on real API servers
	cargo test --locked --workspace

e2e: ## the built binaries on real API servers; needs KUBEBUILDER_ASSETS
	cargo test --locked --test e2e -- --real

conformance: ## the embedded API server's tests, on a real one; needs KUBEBUILDER_ASSETS
	cargo test --locked -p apiserver --test conformance -- --real

bench: ## benchmarks: queue, decoder, store, watch, plugins, embedded API server
	cargo bench --locked --workspace

lint: ## formatting, clippy and rustdoc; all warnings are errors
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

fmt: ## format the source
	cargo fmt --all

doc: ## the documentation of the source, in a browser
	cargo doc --locked --workspace --no-deps --document-private-items --open
