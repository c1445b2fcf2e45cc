# docker build -f deploy/docker/agent.Dockerfile -t drawbridge/agent .
# For targets over stdio, build on this image and add the programs the agent may run.
FROM node:26.10.0-trixie-slim AS build
WORKDIR /src
COPY . .
# The build of a clone: the pinned pnpm and Node, a frozen lockfile, generated code, tsc -b.
RUN npm run build
RUN npx -y pnpm@12.21.0 --filter @drawbridge/agent deploy --prod /app \
 && rm -rf /app/src /app/tsconfig.json

FROM node:26.10.0-trixie-slim
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin drawbridge \
 && install --directory --mode=0700 --owner=drawbridge --group=drawbridge /var/lib/drawbridge-agent
WORKDIR /app
# Owned by root: what runs cannot change itself.
COPY --from=build /app /app
ENV NODE_ENV=production
USER drawbridge
VOLUME /var/lib/drawbridge-agent
# Process 1 has to reap orphans: run it with `docker run --init`, or `init: true`.
ENTRYPOINT ["node", "/app/dist/main.js"]
CMD ["run", "--state", "/var/lib/drawbridge-agent", "--config", "/etc/drawbridge/agent.yaml"]
