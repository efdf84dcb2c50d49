import { float } from './program.ts';

/**
 * Functions whose own form in some mode is slow (webasm calls JavaScript, one number at a time) or coarse (GPUs' sine has eleven
 * good bits). Each gives statements that declare the float `name` and leave the function of `x`, an expression, in it.
 */
export interface MathText {
  exp(name: string, x: string): string;
  sin(name: string, x: string): string;
  cos(name: string, x: string): string;
}

/** c₀ + t (c₁ + t (…)) */
export const horner = (t: string, coefficients: readonly number[]): string =>
  coefficients.reduceRight<string>((inner, c) => (inner ? `(${float(c)}+${t}*${inner})` : float(c)), '');

const taylor = (terms: number, first: number, step: number): number[] => {
  const coefficients: number[] = [];
  let factorial = 1;
  for (let n = 1, k = 0; k < terms; n++) {
    factorial *= n;
    if (n >= first && (n - first) % step === 0) {
      coefficients.push((step === 1 ? 1 : (-1) ** k) / factorial);
      k++;
    }
  }
  return coefficients;
};

const native: MathText = {
  exp: (name, x) => `const ${name}=Math.exp(${x});`,
  sin: (name, x) => `const ${name}=Math.sin(${x});`,
  cos: (name, x) => `const ${name}=Math.cos(${x});`,
};

/**
 * eˣ = 2ⁿ eʳ, |r| <= ln 2 / 2: r by a two-part ln 2 (its first part has nine bits, so that n times it is exact), eʳ by its series,
 * 2ⁿ by squares. All of it runs four lanes at a time.
 */
const vectorExp: MathText['exp'] = (name, x) => {
  const [v, n, r, m, s] = ['v', 'n', 'r', 'm', 's'].map((local) => `${name}_${local}`);
  const squares = [64, 32, 16, 8, 4, 2, 1].map(
    (power) => `if (${m}>=${power}.0) { ${s}=${s}*${float(2 ** power)}; ${m}=${m}-${power}.0; }`,
  );
  return `
    const ${v}=${x};
    const ${n}=Math.max(-126.0, Math.min(127.0, Math.floor(${v}*${float(Math.LOG2E)}+0.5)));
    const ${r}=(${v}-${n}*0.693359375)+${n}*${float(0.693359375 - Math.LN2)};
    let ${m}=Math.abs(${n}); let ${s}=1.0; ${squares.join(' ')}
    let ${name}=1.0+${r}*${horner(r, taylor(7, 1, 1))};
    if (${n}<0.0) { ${name}=${name}/${s}; } else { ${name}=${name}*${s}; }
    if (${v}<-87.3) { ${name}=0.0; }
    if (${v}>88.7) { ${name}=${float(2 ** 127)}*${s}; }`;
};

/**
 * sin (or cos) x: x less the nearest multiple of π/2, which is taken away in three parts, and the series of sine or cosine by the
 * quadrant. Good to float32 for |x| up to some thousands.
 */
const reduced =
  (quarter: number): MathText['sin'] =>
  (name, x) => {
    const [v, n, r, q, t, s, c] = ['v', 'n', 'r', 'q', 't', 's', 'c'].map((local) => `${name}_${local}`);
    // π/2 in parts of ten and eleven bits, and the rest.
    const [high, middle] = [1.5703125, 4.837512969970703e-4];
    return `
      const ${v}=${x};
      const ${n}=Math.floor(${v}*${float(2 / Math.PI)}+0.5);
      const ${r}=((${v}-${n}*${float(high)})-${n}*${float(middle)})-${n}*${float(Math.PI / 2 - high - middle)};
      const ${t}=${r}*${r};
      const ${s}=${r}*(1.0+${t}*${horner(
        t,
        taylor(5, 3, 2).map((k) => -k),
      )});
      const ${c}=1.0+${t}*${horner(
        t,
        taylor(5, 2, 2).map((k) => -k),
      )};
      const ${q}=${n}+${quarter}.0-4.0*Math.floor((${n}+${quarter}.0)*0.25);
      let ${name}=${s};
      if (${q}>0.5) { ${name}=${c}; } if (${q}>1.5) { ${name}=-${s}; } if (${q}>2.5) { ${name}=-${c}; }`;
  };

export const mathTexts: Readonly<Record<'native' | 'webasm' | 'gpu', MathText>> = {
  native,
  webasm: { ...native, exp: vectorExp },
  gpu: { ...native, sin: reduced(0), cos: reduced(1) },
};
