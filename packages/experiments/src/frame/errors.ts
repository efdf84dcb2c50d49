import { LinattnError } from '@linattn/math';

/** A folder holds the measurements of another run: with other settings, or on another backend. */
export class OtherRunError extends LinattnError {
  constructor(folder: string, difference: string) {
    super('OTHER_RUN', `${folder} holds another run (${difference}); use another folder, or begin anew there`, {
      argument: 'out',
      given: folder,
    });
  }
}
