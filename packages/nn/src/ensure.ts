import { ValueError } from '@linattn/math';

/** @throws ValueError for an option that does not hold what it should. */
export function ensure(argument: string, given: unknown, holds: boolean, expected: string): void {
  if (!holds) throw new ValueError(argument, given, expected);
}

export const oneOf = (argument: string, given: unknown, allowed: readonly unknown[]): void =>
  ensure(argument, given, allowed.includes(given), allowed.join(' | '));
