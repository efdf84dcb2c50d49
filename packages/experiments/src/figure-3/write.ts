import { formatInteger, formatSeconds, significant } from '../frame/format.ts';
import type { Section } from '../frame/section.ts';
import { drawLines } from '../plot/draw.ts';
import type { CurvePoint } from '../training/train.ts';
import { type AttentionName, attentions, type Figure3Settings, type Trained } from './settings.ts';

const names: Readonly<Record<AttentionName, string>> = {
  linear: 'linear, f = 1 + x normalised',
  softmax: 'softmax, tiled',
};

export async function writeFigure3(
  section: Section,
  settings: Figure3Settings,
  values: ReadonlyMap<string, Trained>,
): Promise<void> {
  const { layers, hiddenSize, heads, seqLen, batchSize, steps, learningRate, dropout } = settings;
  const of = (attention: AttentionName) => values.get(attention)!;
  const [linear, softmax] = attentions.map(of);
  const perCharacter = ({ loss }: CurvePoint) => loss / linear.charactersPerToken;
  section.text(
    `A GPT-NeoX model with ${layers} layers of ${hiddenSize} features and ${heads} heads (${formatInteger(linear.parameters)} parameters, rotary ` +
      `positions), N = ${formatInteger(seqLen)}, ${batchSize} ${batchSize === 1 ? 'row' : 'rows'} a step, ${formatInteger(steps)} steps, learning rate ` +
      `${learningRate}, and the paper's replacement of dropout (its Eq 28) at rate ${dropout} falling to 0. The attention is all that differs: ` +
      'initial parameters, rows and noise are the same draws.',
  );
  section.text(
    `Text: ${linear.text}; ${settings.tokenizer === 'bytes' ? 'a token is a byte' : `tokens of ${settings.tokenizer}`}. Losses on a part of a ` +
      `data set say which attention learns it faster; they do not compare with published losses on all of it. A model that knows only how ` +
      `often each character occurs would be at ${linear.entropy.toFixed(2)} nats.`,
  );
  const figure = (file: string, title: string, label: string, x: (point: CurvePoint) => number, caption: string) =>
    drawLines({
      title,
      unit: 'training loss, nats a character (means of neighbouring steps)',
      series: attentions.map((attention) => names[attention]),
      points: attentions.flatMap((attention) =>
        of(attention).training.map((point) => ({ series: names[attention], x: x(point), y: perCharacter(point) })),
      ),
      dots: false,
      x: { label },
      y: {},
    }).then((svg) => section.figure(file, svg, caption));
  await figure('steps.svg', 'Loss by step', 'step', ({ step }) => step, 'Training loss against steps.');
  await figure(
    'time.svg',
    'Loss by time',
    'seconds',
    ({ seconds }) => seconds,
    'The same against seconds spent on steps.',
  );
  section.table(
    ['step', ...attentions.flatMap((attention) => [`${names[attention]}: validation`, 'time'])],
    linear.validation.map(({ step }, i) => [
      formatInteger(step),
      ...attentions.flatMap((attention) => {
        const point = of(attention).validation[i];
        return [perCharacter(point).toFixed(4), formatSeconds(point.seconds)];
      }),
    ]),
  );
  const last = ({ validation }: Trained) => perCharacter(validation.at(-1)!);
  const difference = last(linear) - last(softmax);
  section.derive('validation', {
    linear: last(linear),
    softmax: last(softmax),
    seconds: { linear: linear.seconds, softmax: softmax.seconds },
  });
  section.finding(
    'adds',
    `After the same ${formatInteger(steps)} steps linear attention is at ${last(linear).toFixed(3)} nats a character and softmax at ` +
      `${last(softmax).toFixed(3)}: ${Math.abs(difference) < 0.005 ? 'the same' : `linear is ${Math.abs(difference).toFixed(3)} ${difference > 0 ? 'behind' : 'ahead'}`}. ` +
      `The steps took ${formatSeconds(linear.seconds)} and ${formatSeconds(softmax.seconds)}, a factor of ` +
      `${significant(softmax.seconds / linear.seconds, 2)} at N = ${formatInteger(seqLen)}; it grows with N. One seed each.`,
  );
}
