export interface Outcome {
  publicUrl: string;
  issuer: string;
  demo: boolean;
  call?: { answer: string; recordingId: string | undefined };
}

/** What the person at the terminal sees when everything runs. */
export function whatNext({ publicUrl, issuer, demo, call }: Outcome): string {
  const where = publicUrl === "http://127.0.0.1:8080" ? "" : ` --url ${publicUrl}`;
  const lines = ["", "Drawbridge runs. Ctrl-C stops it; its data stays.", ""];
  if (call !== undefined) {
    lines.push(
      "alice called execute_sql on shop through it, and this is all she got to see:",
      "",
      ...indent(call.answer, 40),
      "",
      `It was recorded: ./drawbridge recordings show ${call.recordingId ?? "ID"}`,
      "",
    );
  }
  lines.push(`  REST API           ${publicUrl}/api/docs`, `  identity provider  ${issuer}`);
  if (demo) {
    lines.push(
      `  MCP endpoints      ${publicUrl}/mcp/shop, /mcp/files, /mcp/everything`,
      "  users              alice (engineering), bob (dba), admin (admins); no passwords",
      "",
      "Try next:",
      "",
      `  ./drawbridge login${where} --as alice`,
      "  ./drawbridge targets",
      `  ./drawbridge call shop execute_sql '{"sql":"select * from customers limit 3"}'`,
      "  ./drawbridge recordings",
      "",
      "What writes waits for bob (of dba), who decides in another terminal:",
      "",
      `  ./drawbridge call shop execute_sql '{"sql":"update orders set amount_cents = 0 where id = 3"}'`,
      `  ./drawbridge --config-dir .bob login${where} --as bob`,
      "  ./drawbridge --config-dir .bob approvals watch",
    );
  } else {
    lines.push("", "Try next:", "", `  ./drawbridge login${where} --as admin`, "  ./drawbridge agents");
  }
  return `${lines.join("\n")}\n`;
}

/** At most so many lines; a terminal is not a pager. */
function indent(text: string, most: number): string[] {
  const lines = text.split("\n");
  const shown = lines.slice(0, most).map((line) => `  ${line.slice(0, 160)}`);
  return lines.length > most ? [...shown, `  … ${lines.length - most} more lines`] : shown;
}
