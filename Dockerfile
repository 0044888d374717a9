# The image contains one static binary. Build it with `make build-image DOCKER_REPO=…`, with BIN=event-controller for the other.
#
# The first stage runs on the architecture of the build machine and cross-compiles: emulation takes ten times as long.
# (docker sets BUILDPLATFORM and TARGETARCH, the Makefile sets the first one for podman.) It needs BuildKit, podman or buildah.
FROM --platform=$BUILDPLATFORM docker.io/library/rust:1.95.0-bookworm AS build
ARG TARGETARCH
# Use the installed toolchain, without the components that rust-toolchain.toml adds for development.
ENV RUSTUP_TOOLCHAIN=1.95.0 \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=/static-pie \
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=x86_64-linux-gnu-gcc
WORKDIR /src
# Cargo's name of the architecture, and a C compiler for it, because ring contains C. (Its package includes libc.)
RUN case "$TARGETARCH" in \
      amd64) arch=x86_64 gcc=gcc-x86-64-linux-gnu ;; \
      arm64) arch=aarch64 gcc=gcc-aarch64-linux-gnu ;; \
      *) echo "TARGETARCH=$TARGETARCH: expected amd64 or arm64" >&2; exit 1 ;; \
    esac \
 && echo "$arch-unknown-linux-gnu" >/target \
 && rustup target add "$arch-unknown-linux-gnu" \
 && apt-get update && apt-get install -y "$gcc" && rm -rf /var/lib/apt/lists/*
# rustc does not know that a static binary can also be position-independent on arm64.
RUN printf '%s\n' '#!/bin/sh' \
      'for arg; do shift; case $arg in -static) set -- "$@" -static-pie ;; -no-pie) ;; *) set -- "$@" "$arg" ;; esac; done' \
      'exec aarch64-linux-gnu-gcc "$@"' >/static-pie && chmod +x /static-pie
COPY . .
ARG BIN=demo-controller
ARG REVISION
# The cache keeps the compiled dependencies for the next build. Without `touch`, cargo would take a source file that is older than
# the cache for an unchanged one.
RUN --mount=type=cache,id=target-$TARGETARCH,target=/src/target \
    find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
 && make "$BIN" TARGET="$(cat /target)" REVISION="$REVISION" && cp "target/$(cat /target)/release/$BIN" /binary

# No shell, no libc, no packages: a plugin needs an image of its own, with this binary in it.
FROM scratch AS event-controller
COPY --from=build /binary /event-controller
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/event-controller"]

# No CA certificates either: the ServiceAccount's volume has that of the API server.
FROM scratch AS demo-controller
COPY --from=build /binary /demo-controller
# A number: there is no /etc/passwd, and the kubelet cannot check runAsNonRoot for a name.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/demo-controller"]
