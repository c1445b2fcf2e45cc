# docker build -f deploy/docker/control-plane.Dockerfile -t drawbridge/control-plane .
FROM node:26.10.0-trixie-slim AS build
WORKDIR /src
COPY . .
# The build of a clone: the pinned pnpm and Node, a frozen lockfile, generated code, tsc -b.
RUN npm run build
RUN npx -y pnpm@12.21.0 --filter @drawbridge/control-plane deploy --prod /app \
 && rm -rf /app/src /app/tsconfig.json \
 && cp -r prisma /app/prisma

FROM node:26.10.0-trixie-slim
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin drawbridge
WORKDIR /app
# Owned by root: what runs cannot change itself.
COPY --from=build /app /app
COPY deploy/docker/make-secrets.mjs deploy/docker/healthcheck.mjs /app/docker/
ENV NODE_ENV=production
USER drawbridge
EXPOSE 8080 8443
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["node", "docker/healthcheck.mjs"]
CMD ["node", "dist/main.js"]
