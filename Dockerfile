# One image for all of Kanchi: the command chooses the service.
#
#   docker build -t kanchi .
#   docker run kanchi                     everything in one container, as `kanchi up` does it
#   docker run kanchi kanchi-storage      one service
#
# docs/deployment.md says how they are put together.
ARG BASE=debian:trixie-slim

# ---- what building takes: made anew when ./dev or the lists of packages change ----------
FROM ${BASE} AS tools
WORKDIR /src
COPY dev ./
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked ./dev setup build
COPY frontend/package.json frontend/package-lock.json frontend/
# A proxy that shows certificates of its own: --secret id=ca,src=its-authority.pem
RUN --mount=type=secret,id=ca --mount=type=cache,target=/root/.npm \
    if [ -e /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi; \
    ./dev setup frontend

# ---- the programs and the dashboard ------------------------------------------------------
FROM tools AS build
COPY . .
RUN ./dev build release \
    && mkdir -p /out/bin /out/share/kanchi \
    && for program in build/release/bin/kanchi*; do \
        strip -o "/out/bin/${program##*/}" "$program"; done \
    && cp -a frontend/.output/public /out/share/kanchi/dashboard
# the packages whose libraries the programs are linked with: the next stage installs them
RUN ldd /out/bin/* | awk '$3 ~ "^/" {print $3}' | sort -u | xargs -n1 realpath \
    | xargs dpkg-query -S 2>/dev/null | cut -d: -f1 | sort -u >/out/packages

# ---- what runs ---------------------------------------------------------------------------
FROM ${BASE} AS kanchi
COPY --from=build /out/packages /tmp/packages
RUN apt-get update -qq \
    && xargs apt-get install -y -qq --no-install-recommends ca-certificates </tmp/packages \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log /tmp/packages \
    && groupadd --gid 10001 kanchi \
    && useradd --uid 10001 --gid kanchi --no-create-home --home-dir /data --shell /usr/sbin/nologin kanchi \
    && install -d -o kanchi -g kanchi -m 700 /data /certs
COPY --from=build /out/bin/ /usr/local/bin/
COPY --from=build /out/share/ /usr/local/share/

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Kanchi" \
      org.opencontainers.image.description="Watches Celery: tasks, workers and queues, live and in history" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# Containers are read where they are run: JSON on standard output. A container is its own
# network: in it the gateway and the health of a service listen everywhere.
ENV KANCHI_DATA=/data \
    KANCHI_GATEWAY_LISTEN=0.0.0.0:8080 \
    KANCHI_HEALTH_LISTEN=0.0.0.0:8081 \
    KANCHI_LOG_FORMAT=json \
    KANCHI_LOG_OUTPUT=stdout
# by number, so that Kubernetes sees that it is not root
USER 10001:10001
WORKDIR /data
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["kanchi", "health"]
CMD ["kanchi", "up"]
