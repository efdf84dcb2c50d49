import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';

const here = (name: string): string => join(import.meta.dirname, name);

/** Compiles a C program, or says that it cannot. */
function compile(source: string, flags: readonly string[]): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'bench-cpu-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, 'program');
  try {
    execFileSync('gcc', ['-O2', here(source), '-o', program, ...flags], { stdio: 'pipe' });
    return program;
  } catch {
    return undefined;
  }
}

export interface Ceiling {
  /** GFLOP/s of all threads together with 128-bit fused multiply-adds: what relaxed SIMD can reach. */
  readonly fused: number;
  /** With separate multiplications and additions: what plain SIMD can reach. */
  readonly apart: number;
}

/** Measures the ceiling of so many threads now; undefined where there is no gcc, or no FMA. */
export function ceilingMeter(threads: number): (() => Ceiling) | undefined {
  const program = compile('ceiling.c', ['-mfma', '-pthread']);
  if (!program) return undefined;
  return () => {
    const [fused, apart] = execFileSync(program, [String(threads)], { encoding: 'utf8' })
      .split(' ')
      .map(Number);
    return { fused, apart };
  };
}

export type BlasMeter = (m: number, n: number, k: number, ta: boolean, tb: boolean, threads: number) => number;

/** GFLOP/s of OpenBLAS; undefined where it is not installed. */
export function blasMeter(): BlasMeter | undefined {
  const program = compile('blas.c', ['-lopenblas']);
  if (!program) return undefined;
  return (m, n, k, ta, tb, threads) => {
    const env = { OPENBLAS_CORETYPE: coreType(), ...process.env, OPENBLAS_NUM_THREADS: String(threads) };
    const words = [m, n, k, Number(ta), Number(tb), 0.3].map(String);
    return Number.parseFloat(execFileSync(program, words, { encoding: 'utf8', env }));
  };
}

/** Debian's OpenBLAS knows no newer processors than its own age: told by their instructions. */
function coreType(): string {
  const flags = cpuFlags();
  if (flags.includes('avx512_bf16')) return 'COOPERLAKE';
  if (flags.includes('avx512f')) return 'SKYLAKEX';
  return flags.includes('avx2') ? 'HASWELL' : '';
}

function cpuFlags(): string {
  try {
    return /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
  } catch {
    return '';
  }
}

export const describeMachine = () => ({
  processor: cpus()[0]?.model ?? 'unknown',
  processors: availableParallelism(),
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  v8: process.versions.v8,
});
