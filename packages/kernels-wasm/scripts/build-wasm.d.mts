/** Makes src/generated fit the sources. */
export function ensureWasm(): Promise<void>;
