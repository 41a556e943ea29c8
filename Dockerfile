# The packaged program and nothing else, for `run` beside a reader or in a container service:
#
#   cargo xtask package && docker build --tag meterbridge .
#   docker run --volume ./sources.toml:/etc/meterbridge/sources.toml:ro --volume meterbridge:/data --env-file env meterbridge

# Certificates to trust, and a folder that belongs to the user below: an empty image has neither.
FROM debian:12-slim AS roots
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && mkdir /data

FROM scratch
COPY --from=roots /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=roots --chown=65532:65532 /data /data
COPY --chmod=755 dist/meterbridge /meterbridge
USER 65532:65532
WORKDIR /data
VOLUME /data
ENV SOURCES_FILE=/etc/meterbridge/sources.toml STORE_PATH=/data/meterbridge.db LOG_FORMAT=json
ENTRYPOINT ["/meterbridge"]
# Another runner: docker run … meterbridge run --runner NAME
CMD ["run", "--runner", "lan"]
