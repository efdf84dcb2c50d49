/** Shader text: inlined by the build, read as it stands by Vite. */
declare module '*.wgsl?raw' {
  const source: string;
  export default source;
}
