# Everything that there is to run. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help demo build run test e2e conformance bench lint fmt doc

ARGS ?=

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Not the release profile: that takes longer to build than the story takes to tell.
demo: ## no cluster? a simulated one, and a story: make demo ARGS="--explain"
	cargo run --locked -- playground $(ARGS)

# Without the playground: a program that is deployed holds nothing to play with.
build: ## the binary, as it is deployed: target/release/demo-controller
	cargo build --release --locked --no-default-features

run: ## run it against your kubeconfig: make run ARGS="--explain -n app1"
	cargo run --release --locked --no-default-features -- $(ARGS)

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
