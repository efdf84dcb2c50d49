/** What every error of linattn carries, so that a program can react and a person can read. */
export interface ErrorDetails {
  /** The argument (or file, or option) at fault. */
  readonly argument?: string;
  /** What was given. */
  readonly given?: unknown;
  /** What would have been accepted. */
  readonly expected?: string;
  readonly cause?: unknown;
}

/** Base of all errors thrown on purpose by linattn. `code` is stable across versions; the message is for people. */
export class LinattnError extends Error {
  readonly code: string;
  readonly argument?: string;
  readonly given?: unknown;
  readonly expected?: string;

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.name = new.target.name;
    this.code = code;
    this.argument = details.argument;
    this.given = details.given;
    this.expected = details.expected;
  }
}

const describe = (argument: string, given: unknown, expected: string): string =>
  `${argument}: expected ${expected}, given ${Array.isArray(given) ? `[${given.join(', ')}]` : String(given)}`;

/** A tensor's rank or extents do not fit. */
export class ShapeError extends LinattnError {
  constructor(argument: string, given: unknown, expected: string) {
    super('SHAPE', describe(argument, given, expected), { argument, given, expected });
  }
}

/** An option or number is outside what is allowed. */
export class ValueError extends LinattnError {
  constructor(argument: string, given: unknown, expected: string) {
    super('VALUE', describe(argument, given, expected), { argument, given, expected });
  }
}

/** NaN or an infinity where only finite numbers make sense. */
export class NonFiniteError extends LinattnError {
  constructor(argument: string, given: number, index: number) {
    super('NON_FINITE', `${argument}: ${given} at element ${index}; every number must be finite`, {
      argument,
      given,
      expected: 'finite numbers',
    });
  }
}

/** Strict mode met an attention row whose denominator g is not positive: its output has no meaning as an average. */
export class DenominatorError extends LinattnError {
  constructor(minimum: number) {
    super(
      'DENOMINATOR',
      `g: the smallest denominator is ${minimum}; it must be > 0. ` +
        "Use normalize: 'l2' (then g >= i (a - b r^2) > 0), or a positive feature map",
      { argument: 'g', given: minimum, expected: 'g > 0 in every row' },
    );
  }
}

/** An operation has no gradient rule: differentiating it would silently give a wrong answer. */
export class MissingGradientError extends LinattnError {
  constructor(op: string) {
    super('MISSING_GRADIENT', `${op}: this operation has no gradient rule`, { argument: op });
  }
}

/** A backend has no kernel for an operation and the operation cannot be composed of others. */
export class UnsupportedError extends LinattnError {
  constructor(backend: string, what: string, expected?: string) {
    super('UNSUPPORTED', `${backend}: ${what} is not supported${expected ? `; ${expected}` : ''}`, {
      argument: what,
      expected,
    });
  }
}

/** A size is over what the backend or device can hold. */
export class LimitError extends LinattnError {
  constructor(argument: string, given: number, limit: string, maximum: number) {
    super('LIMIT', `${argument}: ${given} is over ${limit} (${maximum})`, {
      argument,
      given,
      expected: `at most ${maximum} (${limit})`,
    });
  }
}

/** A tensor was used after dispose(), or on a backend that is not its own. */
export class TensorUseError extends LinattnError {
  constructor(message: string, argument?: string) {
    super('TENSOR_USE', message, { argument });
  }
}

/** The device is gone, cannot be had, or failed. */
export class DeviceError extends LinattnError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('DEVICE', message, details);
  }
}

/** A file is missing, unreadable, cut short or not what it says. */
export class FormatError extends LinattnError {
  constructor(argument: string, message: string, details: Omit<ErrorDetails, 'argument'> = {}) {
    super('FORMAT', `${argument}: ${message}`, { argument, ...details });
  }
}
