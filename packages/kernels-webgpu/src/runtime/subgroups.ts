const declared = (has: boolean): string =>
  `${has ? '' : 'const subgroupSize = 1u;\n'}fn across(v: vec2f, mask: u32) -> vec2f { return ${has ? 'subgroupShuffleXor(v, mask)' : 'v'}; }\n`;

/**
 * Makes a text that speaks of `subgroupSize` whole: that is how many invocations beside each other `across(v, mask)` reaches, by the
 * exclusive or of their place with `mask`. On devices without subgroups each stands alone. (WGSL leaves open how invocations are dealt
 * to subgroups; all drivers take those of a workgroup of one dimension in order, and the conformance kit fails where one would not.)
 */
export function withSubgroups(code: string, has: boolean): string {
  if (!code.includes('subgroupSize')) return code;
  if (!has) return declared(false) + code;
  return `enable subgroups;\n${declared(true)}${code.replace('fn main(', 'fn main(@builtin(subgroup_size) subgroupSize: u32, ')}`;
}
