export async function loadPostgresqlParser(): Promise<void> {
  await Promise.resolve();
}
