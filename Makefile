# Everything that there is to run. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help demo build run test e2e conformance bench lint fmt doc image-settings build-image push-image image-check

ARGS ?=
# Another machine's binary: make build TARGET=aarch64-unknown-linux-gnu, which ends up in target/TARGET/release.
TARGET ?=

# The image is DOCKER_REPO/demo-controller:TAG. Each build has a tag of its own: a node that has it never has another.
DOCKER_REPO ?=
TAG ?= $(shell git describe --always --dirty 2>/dev/null || echo latest)
IMAGE = $(DOCKER_REPO)/demo-controller:$(TAG)
# For another architecture than yours: make build-image PLATFORM=linux/arm64
PLATFORM ?=
ENGINE ?= $(firstword $(foreach engine,docker podman,$(if $(shell command -v $(engine)),$(engine))))

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Not the release profile: that takes longer to build than the story takes to tell.
demo: ## no cluster? a simulated one, and a story: make demo ARGS="--explain"
	cargo run --locked -- playground $(ARGS)

# Without the playground: a program that is deployed holds nothing to play with.
#
# Static, so that it needs nothing of the image. The flag is for this one binary's linking, and `cargo rustc` says so:
# in RUSTFLAGS it would be for the procedural macros as well, and a compiler cannot load those if they are static.
build: ## the binary, as it is deployed, static: target/release/demo-controller
	cargo rustc --release --locked --no-default-features --bin demo-controller \
		$(if $(TARGET),--target $(TARGET)) -- -C target-feature=+crt-static

run: build ## run it against your kubeconfig: make run ARGS="--explain -n app1"
	target/release/demo-controller $(ARGS)

image-settings:
	@[ -n "$(DOCKER_REPO)" ] || { echo "DOCKER_REPO is not set: expected where images are kept, such as" \
		"DOCKER_REPO=registry.example.com/team" >&2; exit 2; }
	@[ -n "$(ENGINE)" ] || { echo "neither docker nor podman is there: one of them builds and pushes images" >&2; exit 2; }

build-image: image-settings ## the image, with docker or podman: make build-image DOCKER_REPO=registry.example.com/team
	$(ENGINE) build $(if $(PLATFORM),--platform $(PLATFORM)) --tag $(IMAGE) .

push-image: image-settings ## push it to where your cluster gets it from, with the same DOCKER_REPO
	$(ENGINE) push $(IMAGE)
	@echo "put this into demo-controller.yaml: image: $(IMAGE)"

# What can be proved without a container engine. By root: it takes a root directory of its own.
image-check: build ## the binary alone in an empty root, as the manifest runs it; by root, needs KUBEBUILDER_ASSETS
	IMAGE_BINARY=target/release/demo-controller cargo test --locked --test e2e -- --real image::

test: ## all tests that need nothing but Rust
	cargo test --locked --workspace

e2e: ## the built binary on real API servers; needs KUBEBUILDER_ASSETS
	cargo test --locked --test e2e -- --real

conformance: ## the embedded API server's promises, on the real one; needs KUBEBUILDER_ASSETS
	cargo test --locked -p apiserver --test conformance -- --real

bench: ## how fast the queue, the decoder, the store, the plugins and the embedded API server are
	cargo bench --locked --workspace

lint: ## formatting, clippy and rustdoc, all warnings are errors
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --lib --bins --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

fmt: ## format the source
	cargo fmt --all

doc: ## the documentation of the source, to read in a browser
	cargo doc --locked --workspace --no-deps --document-private-items --open
