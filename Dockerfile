# syntax=docker/dockerfile:1.7
# One image for every role. No secret enters it: tokens come with the environment of a container.

FROM rust:1.95.0-slim-trixie AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --locked --release --package gigamesh --features azure,cosmos,s3 \
    && install -D target/release/gigamesh /out/gigamesh

# With a shell, which jobs are run by. What they need besides, an image of your own adds to this one.
FROM debian:trixie-20251020-slim
RUN useradd --uid 10001 --no-log-init --home-dir /var/lib/gigamesh --create-home gigamesh
COPY --from=build /out/gigamesh /usr/local/bin/gigamesh
# Whom to believe in TLS, for blobs that are kept elsewhere.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 10001:10001
WORKDIR /var/lib/gigamesh
ENTRYPOINT ["gigamesh"]
CMD ["--help"]
