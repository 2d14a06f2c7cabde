# One image a service: docker build --target runtime|collector|api|setup . The base images are build arguments, so that a mirror
# or an image of your own can stand in. It needs no BuildKit.
ARG NODE_IMAGE=node:24.21.0-bookworm-slim
ARG CUDA_IMAGE=nvidia/cuda:12.8.1-runtime-ubuntu24.04

# What npm reads, and nothing else: a change of a source leaves these files, and with them every layer of packages, as they were.
FROM ${NODE_IMAGE} AS manifests
WORKDIR /all
COPY . .
RUN mkdir /manifests && cp --parents package.json package-lock.json .npmrc libs/*/package.json apps/*/package.json tools/*/package.json e2e/package.json /manifests

# Every package, tools included: what a service needs of them is copied below.
FROM ${NODE_IMAGE} AS packages
WORKDIR /vigil
COPY --from=manifests /manifests ./
RUN npm ci --ignore-scripts --no-audit --no-fund && rm -rf /root/.npm

# No test and no development package is copied; of llama.cpp the build for a processor, and for CUDA apart.
FROM packages AS built
COPY . .
RUN node_modules/.bin/tsc -b apps/runtime apps/collector apps/api \
  && for service in runtime collector api; do \
    node deploy/compose/production.mjs apps/$service /out/$service '@node-llama-cpp/.*-(cuda|vulkan|armv7l)' || exit 1; \
  done \
  && node deploy/compose/production.mjs apps/runtime /out/runtime-cuda '@node-llama-cpp/.*-(vulkan|armv7l)'

# What the services have in common: a user without rights, and a folder that a fresh volume takes its owner from.
FROM ${NODE_IMAGE} AS service
ENV NODE_ENV=production HOST=0.0.0.0 DATA_DIR=/var/lib/vigil
RUN mkdir -p /var/lib/vigil && chown node:node /var/lib/vigil
WORKDIR /vigil
COPY deploy/compose/healthy.mjs ./
USER node
STOPSIGNAL SIGTERM

# Makes the secrets, gives each service its own and looks whether volumes can be written, before anything starts.
FROM service AS setup
USER root
RUN cd /run && mkdir -p vigil/secrets /volumes/runtime /volumes/collector /volumes/vllm \
  && for service in postgres collector api alertmanager grafana; do mkdir -p vigil/shares/$service || exit 1; done \
  && chown node:node vigil/secrets vigil/shares/* /volumes/*
USER node
COPY deploy/compose/setup.mjs ./
CMD ["node", "setup.mjs"]

FROM service AS collector
COPY --from=built /out/collector ./
EXPOSE 4318 9464
CMD ["node", "apps/collector/dist/main.js"]

FROM service AS api
COPY --from=built /out/api ./
COPY alerts ./alerts
EXPOSE 8080
CMD ["node", "apps/api/dist/main.js"]

FROM service AS runtime
COPY --from=built /out/runtime ./
COPY models ./models
EXPOSE 8000
CMD ["node", "apps/runtime/dist/main.js"]

# The runtime on an NVIDIA GPU: CUDA's libraries come with the base image, the driver's from the host. x86-64.
FROM ${CUDA_IMAGE} AS runtime-cuda
COPY --from=service /usr/local/bin/node /usr/local/bin/node
RUN (id node >/dev/null 2>&1 || useradd --create-home --shell /usr/sbin/nologin node) \
  && mkdir -p /var/lib/vigil && chown node:node /var/lib/vigil
ENV NODE_ENV=production HOST=0.0.0.0 DATA_DIR=/var/lib/vigil LLAMA_GPU=auto
WORKDIR /vigil
COPY deploy/compose/healthy.mjs ./
COPY --from=built /out/runtime-cuda ./
COPY models ./models
USER node
STOPSIGNAL SIGTERM
EXPOSE 8000
CMD ["node", "apps/runtime/dist/main.js"]
