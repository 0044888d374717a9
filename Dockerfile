# The image: one static binary, and nothing else. Built by `make build-image DOCKER_REPO=…`.
#
# The first stage runs on the builder's own architecture and compiles for the wanted one: no emulation, which takes ten
# times as long. (BUILDPLATFORM and TARGETARCH are given by docker and podman.)
FROM --platform=$BUILDPLATFORM rust:1.95.0-bookworm AS build
ARG TARGETARCH
# The toolchain that is there, without what rust-toolchain.toml has for those who work on the source.
ENV RUSTUP_TOOLCHAIN=1.95.0 \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=x86_64-linux-gnu-gcc
WORKDIR /src
# Cargo's name for the architecture, and a C compiler for it: ring has some C. (The compiler brings its libc along.)
RUN case "$TARGETARCH" in \
      amd64) arch=x86_64 gcc=gcc-x86-64-linux-gnu ;; \
      arm64) arch=aarch64 gcc=gcc-aarch64-linux-gnu ;; \
      *) echo "TARGETARCH=$TARGETARCH: expected amd64 or arm64" >&2; exit 1 ;; \
    esac \
 && echo "$arch-unknown-linux-gnu" >/target \
 && rustup target add "$arch-unknown-linux-gnu" \
 && apt-get update && apt-get install -y "$gcc" && rm -rf /var/lib/apt/lists/*
COPY . .
RUN make build TARGET="$(cat /target)" && mv demo-controller /demo-controller

# No shell, no libc, no package: nothing to update but the binary, and nothing for an intruder to use. No CA certificates
# either: the API server's own is in the pod, beside the token.
FROM scratch
LABEL org.opencontainers.image.title="demo-controller" \
      org.opencontainers.image.description="Issues certificates for Pki objects, and reports on pods why they wait" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /demo-controller /demo-controller
# A number, as there is no /etc/passwd, and as the kubelet cannot tell by a name that it is not root's.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/demo-controller"]
