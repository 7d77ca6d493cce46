# syntax=docker/dockerfile:1
# The stages are in image/stages, which runs them where there is no builder too.

FROM rust:1.95-bookworm AS toolchain
ENV CARGO_TARGET_DIR=/target
COPY image/stages LICENSE /source/image/
RUN mv /source/image/LICENSE /source/LICENSE

# Compiled anew when the lock file changes, and not otherwise.
FROM toolchain AS dependencies
WORKDIR /source/dependencies
COPY Cargo.toml Cargo.lock ./
COPY loadtest/Cargo.toml loadtest/
RUN /source/image/stages dependencies

FROM dependencies AS build
WORKDIR /source/build
RUN cp -a /source/dependencies/. . && rm -r src
COPY src src
ARG COMMIT=unknown
RUN CAMPANILE_COMMIT=$COMMIT /source/image/stages binary
RUN /source/image/stages root /target/release/campanile /root-file-system

FROM scratch
COPY --from=build /root-file-system /
ARG VERSION=0.1.0
ARG COMMIT=unknown
ARG SOURCE=""
LABEL org.opencontainers.image.title="Campanile" \
      org.opencontainers.image.description="A notification gateway" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}" \
      org.opencontainers.image.source="${SOURCE}"
USER 65532:65532
EXPOSE 8080 9090
# Not ready for half a minute is unhealthy: Redis may be away for CAMPANILE_REDIS_GRACE before it shows.
HEALTHCHECK --interval=5s --timeout=4s --start-period=10s --retries=6 CMD ["/usr/bin/campanile", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/campanile"]
CMD ["serve"]
