/** The browser itself calls its WebGL2 slow: there is no GPU behind it, whatever its name says. */
export function hasSlowWebgl2(): boolean {
  const gl = new OffscreenCanvas(1, 1).getContext('webgl2', { failIfMajorPerformanceCaveat: true });
  gl?.getExtension('WEBGL_lose_context')?.loseContext();
  return gl === null;
}
