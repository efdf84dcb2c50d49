// The specification's bit flags. As constants: Node has no such globals, and TypeScript's DOM library does not declare them.
export const usage = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128, QUERY_RESOLVE: 512 } as const;
export const mapRead = 1;
export const computeStage = 4;
