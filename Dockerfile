# Pin the base image: `docker pull` prints the digest of the tag, and
# `docker build --build-arg PYTHON_IMAGE=python:3.12-slim-bookworm@sha256:… .` uses it.
# No step depends on the architecture: `docker buildx build --platform linux/amd64,linux/arm64 .`
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
RUN python -m venv /opt/build && python -m venv /opt/issuer
# The locked packages change less often than the code, so they have separate layers.
COPY requirements.txt requirements-build.txt requirements-sbom.txt ./
RUN /opt/build/bin/pip install --require-hashes -r requirements-build.txt -r requirements-sbom.txt
RUN /opt/issuer/bin/pip install --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY issuer issuer
COPY migrations migrations
RUN /opt/build/bin/hatchling build --target wheel \
    && /opt/issuer/bin/pip install --no-deps dist/*.whl \
    && /opt/issuer/bin/python -m pip uninstall --yes setuptools pip
# What is installed, and not what was asked for: CycloneDX, with versions, licences and package URLs.
RUN /opt/build/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
    --output-file /opt/issuer/sbom.cdx.json /opt/issuer/bin/python

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title=agentos-issuer \
    org.opencontainers.image.description="The token issuer for AgentOS" \
    org.opencontainers.image.licenses=Apache-2.0 \
    org.opencontainers.image.version=${VERSION} \
    org.opencontainers.image.revision=${REVISION}
# The number is fixed, so that the owner of a volume is the same with every image.
RUN groupadd --gid 10001 issuer \
    && useradd --uid 10001 --gid issuer --no-create-home --home-dir /var/lib/issuer issuer \
    && install --directory --owner issuer --group issuer --mode 0700 /var/lib/issuer
COPY --from=build /opt/issuer /opt/issuer
ENV PATH=/opt/issuer/bin:$PATH PYTHONUNBUFFERED=1 ISSUER_DATA_DIR=/var/lib/issuer
# By number: runAsNonRoot of Kubernetes rejects a user name.
USER 10001:10001
WORKDIR /var/lib/issuer
EXPOSE 9000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["issuer", "health", "--port", "9000"]
ENTRYPOINT ["issuer"]
# The port of ISSUER_URL is that of the host.
CMD ["serve", "--host", "0.0.0.0", "--port", "9000"]
