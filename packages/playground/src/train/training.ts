import { signal } from '@preact/signals';

/** A model trains on this page: what is measured meanwhile is slower than the device. */
export const training = signal(false);
