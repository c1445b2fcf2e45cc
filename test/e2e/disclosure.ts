/** Whether a text holds a value: digits with any separators between them, everything else as it is or in JSON. */
export function discloses(text: string, value: string): boolean {
  if (/^[\d -]+$/.test(value)) {
    const digits = value.replaceAll(/\D/g, "");
    return new RegExp(digits.split("").join(String.raw`(?:\\[nrt]|[^0-9A-Za-z]){0,4}`)).test(text);
  }
  return text.includes(value) || text.includes(JSON.stringify(value).slice(1, -1));
}

/** Those of the values that the text holds. */
export function disclosed(text: string, values: readonly string[]): string[] {
  return values.filter((value) => discloses(text, value));
}
