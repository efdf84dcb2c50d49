import type { Maybe, Tensor } from '@linattn/math';
import type { Buffer } from '../buffer.ts';

/** A tensor's buffer: handles of this backend are nothing else. */
export const bufferOf = (tensor: Maybe<Tensor>): Buffer => tensor!.handle as Buffer;
