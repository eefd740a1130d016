# The image of Lateen: control plane, sidecar, gateway, init container and command line are the same program.
#   npm run image                       builds it with what this machine has
#   docker build -t lateen/lateen:dev . (or buildah build)
# Nothing here names a processor: every stage runs on the platform that is built for, and npm picks that platform's native files.
# What ends up in it: Node, dist/ without source maps, koffi's one native file, re2js, the CRDs and the chart (for `lateen install`),
# iptables and iproute2 (for `lateen iptables`), a shell, and the libraries that these programs name. Nothing in it is writable by the user
# it runs as. `--target debian` is the same on a whole Debian, with its tools, for looking around in a pod.
ARG NODE_IMAGE=node:24-bookworm-slim
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
RUN apt-get update -q && apt-get install -q -y --no-install-recommends binutils && mkdir -p /out/bin
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
# The Node of the lock file, whatever the base image has: what was tested is what runs. Symbols of the binary: 18 MB that nobody reads.
RUN strip -s -o /out/bin/node node_modules/node-linux-*/bin/node
COPY tsconfig.json ./
COPY scripts ./scripts
COPY src ./src
RUN node scripts/build.ts
# The packages that stay outside the bundles, with the native file of this platform only.
RUN set -eu; mkdir -p /out/lateen/node_modules/@koromix; \
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
    cp node_modules/re2js/build/index.js node_modules/re2js/build/index.cjs /out/lateen/node_modules/re2js/build/
COPY crds /out/lateen/crds
COPY charts /out/lateen/charts
COPY LICENSE /out/lateen/
# `exec`: one process, so that signals and memory are the program's own. The proxy's young generation is kept small (PROXY_EXEC_ARGV).
RUN printf '%s\n' '#!/bin/sh' \
    'if [ "${1-}" = proxy ]; then exec /usr/local/bin/node --max-semi-space-size=4 /opt/lateen/dist/lateen.js "$@"; fi' \
    'exec /usr/local/bin/node /opt/lateen/dist/lateen.js "$@"' > /out/bin/lateen && chmod 0755 /out/bin/lateen

FROM ${BASE_IMAGE} AS debian
# nft and legacy iptables both: a node needs one of them, and which one is known only there.
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends iptables iproute2 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /usr/share/doc/* /usr/share/man/* /usr/share/locale/* \
    && echo 'lateen:x:1337:' >> /etc/group && echo 'lateen:x:1337:1337::/nonexistent:/usr/sbin/nologin' >> /etc/passwd
COPY --from=build /out/bin/ /usr/local/bin/
COPY --from=build /out/lateen/ /opt/lateen/
ENV NODE_ENV=production
USER 1337:1337
ENTRYPOINT ["/usr/local/bin/lateen"]
CMD ["help"]

# The programs, and every library that one of them or a plug-in of theirs names.
FROM debian AS pick
USER 0:0
RUN set -eu; root=/rootfs; mkdir -p "$root/tmp" "$root/run" "$root/proc" "$root/sys" "$root/dev" "$root/etc" "$root/opt"; chmod 1777 "$root/tmp"; \
    for each in bin sbin lib lib64; do if [ -L "/$each" ]; then mkdir -p "$root/$(readlink "/$each")"; cp -a "/$each" "$root/$each"; fi; done; \
    add() { for file; do \
        file="$(readlink -f "$(dirname "$file")")/$(basename "$file")"; \
        if [ ! -e "$root$file" ] && [ ! -L "$root$file" ]; then \
          mkdir -p "$root$(dirname "$file")"; cp -a "$file" "$root$file"; \
          if [ -L "$file" ]; then link="$(readlink "$file")"; case "$link" in /*) add "$link" ;; *) add "$(dirname "$file")/$link" ;; esac; fi; \
        fi; done; }; \
    add /usr/bin/dash /bin/sh /usr/local/bin/node /usr/local/bin/lateen /usr/sbin/ip /bin/ip /usr/sbin/*tables* /usr/sbin/xtables-* \
        /etc/passwd /etc/group /etc/nsswitch.conf /etc/os-release /usr/lib/*/xtables/*.so; \
    find "$root/usr" /opt/lateen -type f \( -perm -u+x -o -name '*.so*' -o -name '*.node' \) -print | while read -r file; do \
      ldd "$file" 2>/dev/null | sed -n 's/^.*=> \(\/[^ ]*\) .*$/\1/p; s/^[[:space:]]*\(\/[^ ]*\) .*$/\1/p'; done | sort -u > /tmp/libraries; \
    while read -r library; do add "$library"; done < /tmp/libraries; \
    cp -a /opt/lateen "$root/opt/lateen"

FROM scratch
COPY --from=pick /rootfs/ /
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="lateen" \
      org.opencontainers.image.description="A service mesh that explains its decisions: Istio's resources, Envoy's xDS, in TypeScript" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
USER 1337:1337
ENTRYPOINT ["/usr/local/bin/lateen"]
CMD ["help"]
