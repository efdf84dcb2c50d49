import { LinattnError } from '@linattn/math';

/** An option or argument of the command line is wrong. */
export class UsageError extends LinattnError {
  constructor(
    argument: string,
    message: string,
    details: { given?: unknown; expected?: string; cause?: unknown } = {},
  ) {
    super('USAGE', `${argument}: ${message}`, { argument, ...details });
  }
}

/** The operating system refused to read or write a file. */
export class FileError extends LinattnError {
  constructor(argument: string, path: string, cause: unknown) {
    super('FILE', `${argument}: ${path}: ${explain(cause)}`, { argument, given: path, cause });
  }
}

/** A download failed, or brought something other than what was asked for. Nothing of it is kept. */
export class DownloadError extends LinattnError {
  constructor(url: string, message: string, cause?: unknown) {
    super('DOWNLOAD', `${url}: ${message}`, { argument: 'data', given: url, cause });
  }
}

/** No backend, or not the one that was asked for, works here. */
export class BackendUnavailableError extends LinattnError {
  constructor(name: string, reason: string) {
    super('BACKEND_UNAVAILABLE', `--backend ${name}: ${reason}`, { argument: 'backend', given: name });
  }
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EDQUOT: 'the disk quota is used up',
  EEXIST: 'it already exists',
  EFBIG: 'the file would be larger than allowed',
  EIO: 'the disk reports an input/output error',
  EISDIR: 'it is a folder, not a file',
  EMFILE: 'too many files are open',
  ENOENT: 'no such file or folder',
  ENOSPC: 'no space left on the disk',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EPERM: 'not permitted',
  EROFS: 'the disk is read-only',
};

const systemCode = (cause: unknown): string | undefined =>
  cause instanceof Error && 'code' in cause && typeof cause.code === 'string' && 'syscall' in cause
    ? cause.code
    : undefined;

function explain(cause: unknown): string {
  const code = systemCode(cause);
  return (code && reasons[code]) ?? (cause instanceof Error ? cause.message : String(cause));
}

/** What `action` throws when the operating system refuses becomes a FileError naming the argument; typed errors pass as they are. */
export async function withFile<T>(argument: string, path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw systemCode(error) ? new FileError(argument, path, error) : error;
  }
}
