# gguf-bench in a container, with code for every kind of CPU. `docker build -t gguf-bench .`, then
# `docker run --rm -v ~/models:/models -v "$PWD/results:/results" gguf-bench compare /models/a.gguf /models/b.gguf`
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake libclang-dev python3 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN python3 -B vendor/release.py --target "$(rustc --print host-tuple)" --folder /program

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libgomp1 && rm -rf /var/lib/apt/lists/*
COPY --from=build /program /opt/gguf-bench
RUN ln -s /opt/gguf-bench/gguf-bench /usr/local/bin/ && useradd --create-home bench && mkdir /results && chown bench /results
USER bench
WORKDIR /
ENTRYPOINT ["gguf-bench"]
CMD ["--help"]
