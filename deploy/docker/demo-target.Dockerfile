# The protocol's reference server, for a first look. Not for production: everybody who reaches it may use it.
FROM node:26.10.0-trixie-slim
WORKDIR /app
RUN npm install --no-audit --no-fund --ignore-scripts @modelcontextprotocol/server-everything@2026.8.31
USER node
ENV PORT=3001
CMD ["node", "node_modules/@modelcontextprotocol/server-everything/dist/index.js", "streamableHttp"]
