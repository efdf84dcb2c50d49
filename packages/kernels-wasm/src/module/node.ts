interface NodeProcess {
  readonly versions?: { readonly node?: string };
  getBuiltinModule?(name: string): unknown;
}

const nodeProcess = (): NodeProcess | undefined => (globalThis as { process?: NodeProcess }).process;

const isNode = (): boolean => typeof nodeProcess()?.versions?.node === 'string';

/** One of Node's own modules; undefined elsewhere. Written so that no bundler for browsers looks for it. */
export async function builtin<T>(name: string): Promise<T | undefined> {
  if (!isNode()) return undefined;
  const known = nodeProcess()?.getBuiltinModule?.(`node:${name}`);
  if (known) return known as T;
  const specifier = `node:${name}`;
  return (await import(/* webpackIgnore: true */ /* @vite-ignore */ specifier)) as T;
}
