# The images of docker-compose.yml. One builder compiles everything with what this repository itself uses for it
# (`cargo xtask wasm` makes the module, here by rustup's wasm target); each image takes its part.

FROM rust:1.95-bookworm AS build
RUN rustup target add wasm32-unknown-unknown
WORKDIR /src
COPY . .
# The caches outlive the build; what the images need is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --package cache-server --package tests --bins \
 && cargo xtask wasm \
 && install -D --target-directory=/out target/release/mixer target/release/demo-upstream \
 && install -D --mode=0644 --target-directory=/out target/wasm/wasm32-unknown-unknown/wasm/filter.wasm

# The Mixer server. Its configuration is mounted, not built in: changing a file changes the policy at once.
FROM gcr.io/distroless/cc-debian12:nonroot AS mixer
COPY --from=build /out/mixer /usr/local/bin/mixer
EXPOSE 9091 9093
ENTRYPOINT ["/usr/local/bin/mixer"]
CMD ["serve", "--config", "/etc/mixer/config", "--listen", "0.0.0.0:9091", "--admin", "0.0.0.0:9093"]

# The demo's application.
FROM gcr.io/distroless/cc-debian12:nonroot AS upstream
COPY --from=build /out/demo-upstream /usr/local/bin/demo-upstream
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/demo-upstream"]
CMD ["0.0.0.0:8080"]

# Envoy with the filter in it, and the demo's bootstrap unless another is mounted. Last, so that it is what `docker build .` makes.
FROM envoyproxy/envoy:v1.40-latest AS envoy
COPY --from=build /out/filter.wasm /etc/envoy/filter.wasm
COPY --chmod=0644 envoy/demo.yaml /etc/envoy/envoy.yaml
EXPOSE 8080 9901
CMD ["envoy", "--config-path", "/etc/envoy/envoy.yaml"]
