import { once } from "node:events";
import net from "node:net";
import { findFreePort } from "@drawbridge/embedded";
import { expect, test } from "vitest";
import { requireFreePorts } from "./taken-port.js";

async function freePorts() {
  const [controlPlane, agents, identity, everything] = await Promise.all([
    findFreePort(),
    findFreePort(),
    findFreePort(),
    findFreePort(),
  ]);
  return { controlPlane, agents, identity, everything };
}

test("is content with free ports", async () => {
  await expect(requireFreePorts(await freePorts())).resolves.toBeUndefined();
});

test.each(["127.0.0.1", "0.0.0.0"])(
  "names a port taken on %s, its use, its holder and the way out",
  async (host) => {
    const server = net.createServer().listen(0, host);
    await once(server, "listening");
    const { port } = server.address() as net.AddressInfo;
    try {
      const refused = requireFreePorts({ ...(await freePorts()), agents: port });
      await expect(refused).rejects.toThrow(
        new RegExp(`port ${port}, which agents needs, is taken by process ${process.pid} .*--port`),
      );
    } finally {
      server.close();
    }
  },
);
