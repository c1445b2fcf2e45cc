/** Somebody who may sign in at the demo's identity provider. */
export interface DemoUser {
  /** Also the `sub` of their tokens. */
  username: string;
  email: string;
  groups: readonly string[];
}

export const DEMO_USERS: readonly DemoUser[] = [
  { username: "alice", email: "alice@example.com", groups: ["engineering"] },
  { username: "bob", email: "bob@example.com", groups: ["dba"] },
  { username: "admin", email: "admin@example.com", groups: ["admins"] },
];
