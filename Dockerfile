# One image for every role of the appliance; Triton and the broker are programs of their own.
# From the root of a checkout: docker build -t edge .
ARG DEBIAN=debian:bookworm-slim

FROM ${DEBIAN} AS builder
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        ca-certificates python3 python3-pip python3-setuptools python3-venv python3-wheel \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements.lock ./
# Every wheel is checked against its hash here. The environment below takes from these files alone,
# and only what the appliance itself asks for: the lock holds the test tools as well.
RUN python3 -m pip download --no-cache-dir --disable-pip-version-check --only-binary=:all: --no-deps \
        --require-hashes -r requirements.lock --dest /wheels
COPY pyproject.toml README.md LICENSE ./
COPY edge edge
RUN python3 -m pip wheel --disable-pip-version-check --no-index --no-deps --no-build-isolation \
        --wheel-dir /wheels . \
    && python3 -m venv --without-pip /opt/edge/venv \
    && python3 -m pip --python /opt/edge/venv/bin/python install --disable-pip-version-check \
        --no-index --find-links /wheels edge-appliance

FROM ${DEBIAN}
# libpython3.11 and python3-venv serve the embedded Triton of `edge up` alone.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libpython3.11 python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 edge \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/edge --no-create-home \
        --shell /usr/sbin/nologin edge \
    && install -d -o edge -g edge -m 0700 /var/lib/edge
COPY --from=builder /opt/edge/venv /opt/edge/venv
COPY model_repo /opt/edge/model_repo
# HEALTHZ_URLS names the roles that run in this container; here both, as `edge up` does.
ENV PATH=/opt/edge/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONUNBUFFERED=1 \
    EDGE_APPLIANCE__STATE_DIR=/var/lib/edge \
    EDGE_MODELS__REPOSITORY=/opt/edge/model_repo \
    HEALTHZ_URLS="http://127.0.0.1:9108/healthz http://127.0.0.1:9109/healthz"
LABEL org.opencontainers.image.title="edge" \
    org.opencontainers.image.description="Streaming inference for urgent imaging findings; research use, not for clinical use" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.documentation="README.md"
USER 10001:10001
WORKDIR /var/lib/edge
VOLUME /var/lib/edge
EXPOSE 11112 2762 9108 9109
# urllib raises for anything but 2xx, and so the check exits 1. A proxy must not answer for us.
HEALTHCHECK --interval=10s --timeout=5s --start-period=300s --retries=3 \
    CMD ["python3", "-c", "import os, urllib.request as r; o = r.build_opener(r.ProxyHandler({})); [o.open(u, timeout=2).close() for u in os.environ['HEALTHZ_URLS'].split()]"]
# SIGTERM ends every role in good order, so no other init is needed.
ENTRYPOINT ["edge"]
CMD ["up"]
