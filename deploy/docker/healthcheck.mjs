// Exit code 0 when the control plane of this container could record a call now.
const response = await fetch("http://127.0.0.1:8080/healthz", { signal: AbortSignal.timeout(4_000) });
process.exit(response.ok ? 0 : 1);
