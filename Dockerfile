# The image of Lateen: control plane, sidecar, gateway, init container and command line are the same program.
#   npm run image                       builds it with what this machine has
#   docker build -t lateen/lateen:dev . (or buildah build)
# Nothing here names a processor: every stage runs on the platform that is built for, and npm picks that platform's native files.
# What ends up in it: Debian's base, Node without npm, dist/ without source maps, koffi's one native file, re2js, the CRDs and the
# chart (for `lateen install`), iptables and iproute2 (for `lateen iptables`). Nothing in it is writable by the user it runs as.
ARG NODE_IMAGE=node:24-bookworm-slim
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts ./scripts
COPY src ./src
RUN node scripts/build.ts
# The packages that stay outside the bundles, with the native file of this platform only.
RUN set -eu; mkdir -p /out/lateen/node_modules/@koromix /out/bin; \
    cp -r dist package.json /out/lateen/; \
    find /out/lateen/dist -name '*.map' -delete; \
    mkdir -p /out/lateen/node_modules/koffi/src; \
    cp node_modules/koffi/package.json node_modules/koffi/index.* node_modules/koffi/LICENSE.txt /out/lateen/node_modules/koffi/; \
    cp -r node_modules/koffi/src/koffi /out/lateen/node_modules/koffi/src/; \
    find /out/lateen/node_modules/koffi/src -type f ! -name '*.js' ! -name '*.cjs' -delete; \
    cp -r node_modules/@koromix/koffi-linux-* /out/lateen/node_modules/@koromix/; \
    rm -rf /out/lateen/node_modules/@koromix/*/musl_*; \
    mkdir -p /out/lateen/node_modules/re2js/build; \
    cp node_modules/re2js/package.json node_modules/re2js/LICENSE /out/lateen/node_modules/re2js/; \
    cp node_modules/re2js/build/index.js node_modules/re2js/build/index.cjs /out/lateen/node_modules/re2js/build/; \
    cp "$(command -v node)" /out/bin/node
COPY crds /out/lateen/crds
COPY charts /out/lateen/charts
COPY LICENSE /out/lateen/
# `exec`: one process, so that signals and memory are the program's own. The proxy's young generation is kept small (PROXY_EXEC_ARGV).
RUN printf '%s\n' '#!/bin/sh' \
    'if [ "${1-}" = proxy ]; then exec /usr/local/bin/node --max-semi-space-size=4 /opt/lateen/dist/lateen.js "$@"; fi' \
    'exec /usr/local/bin/node /opt/lateen/dist/lateen.js "$@"' > /out/bin/lateen && chmod 0755 /out/bin/lateen

FROM ${BASE_IMAGE}
# nft and legacy iptables both: a node needs one of them, and which one is known only there.
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends iptables iproute2 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /usr/share/doc/* /usr/share/man/* /usr/share/locale/* \
    && echo 'lateen:x:1337:' >> /etc/group && echo 'lateen:x:1337:1337::/nonexistent:/usr/sbin/nologin' >> /etc/passwd
COPY --from=build /out/bin/ /usr/local/bin/
COPY --from=build /out/lateen/ /opt/lateen/
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="lateen" \
      org.opencontainers.image.description="A service mesh that explains its decisions: Istio's resources, Envoy's xDS, in TypeScript" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production
USER 1337:1337
ENTRYPOINT ["/usr/local/bin/lateen"]
CMD ["help"]
