import { Era, type TargetDefinition } from "@drawbridge/protocol";
import { initialize, initialized } from "@drawbridge/testing";
import { afterEach } from "vitest";
import type { AgentConfig } from "../config.js";
import { type AgentUnderTest, startTestAgent, temporaryState, testConfig } from "./agent-under-test.js";
import { FakeControlPlane, type FakeControlPlaneOptions, type FakeSession } from "./fake-control-plane.js";

export interface Bench {
  readonly controlPlane: FakeControlPlane;
  readonly agent: AgentUnderTest;
  /** Opens a session whose target has answered initialize (exchange 1). */
  readonly openInitialized: (definition: TargetDefinition) => Promise<FakeSession>;
  readonly openModern: (definition: TargetDefinition) => Promise<FakeSession>;
}

const closers: (() => unknown)[] = [];

/** To be called once by a test file that uses `startBench` or `onTestEnd`. */
export function cleanUpAfterEach(): void {
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  });
}

export function onTestEnd(close: () => unknown): void {
  closers.push(close);
}

/** A control plane and an agent that has joined it, both gone when the test ends. */
export async function startBench(
  config: AgentConfig = testConfig(),
  options: FakeControlPlaneOptions = {},
): Promise<Bench> {
  const controlPlane = await FakeControlPlane.start(options);
  onTestEnd(() => controlPlane.stop());
  const { state, remove } = await temporaryState();
  onTestEnd(remove);
  const agent = await startTestAgent(controlPlane, state, config);
  onTestEnd(() => agent.stop());
  return {
    controlPlane,
    agent,
    openInitialized: async (definition) => {
      const session = await controlPlane.openSession(definition);
      await session.call(1, initialize("init"));
      session.send(0, initialized());
      return session;
    },
    openModern: (definition) => controlPlane.openSession(definition, { era: Era.MODERN }),
  };
}
