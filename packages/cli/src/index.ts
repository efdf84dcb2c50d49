export { type Availability, type BackendEntry, backends, findBackend, openBackend } from './backends.ts';
export { bytesTokenizer, loadTokenizer, type Tokenizer } from './data/tokenizer.ts';
export { BackendUnavailableError, DownloadError, FileError, UsageError } from './errors.ts';
export { main } from './program.ts';
