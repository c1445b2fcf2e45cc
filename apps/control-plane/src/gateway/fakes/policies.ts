/** What most tests are about: who may call which tool of the target "shop". */
export const ENGINEERS_READ = `
apiVersion: drawbridge/v1
kind: Policy
metadata: { name: engineers }
spec:
  targets: { names: [shop] }
  subjects: { groups: [engineering] }
  access: { mode: standing }
  rules:
    - { name: reading, tools: [read], effect: allow }
`;

export function withRule(policy: string, rule: string): string {
  return `${policy}    - ${rule}\n`;
}
