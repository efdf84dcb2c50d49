import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where downloads are kept: `$XDG_CACHE_HOME/linattn`, else the system's own folder for caches. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = environment;
  if (XDG_CACHE_HOME) return join(XDG_CACHE_HOME, 'linattn');
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'linattn');
  if (process.platform === 'win32')
    return join(LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'linattn', 'Cache');
  return join(homedir(), '.cache', 'linattn');
}
