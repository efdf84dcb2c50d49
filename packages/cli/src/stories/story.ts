import * as grammar from './grammar.ts';
import { Choices } from './random.ts';
import { animals, colours, deeds, homes, objects, type Person, people, places } from './words.ts';

/** What a story asks to be remembered. */
export type RecallKind = 'name' | 'object' | 'colour' | 'place' | 'promise';

/** A word of a story that only its beginning tells. */
export interface Recall {
  readonly kind: RecallKind;
  readonly answer: string;
  /** Characters of the story before the answer. */
  readonly start: number;
  /** Characters since the word (for a promise: the promise) was last said. */
  readonly distance: number;
}

/** A story, with the places that ask for what its beginning told. */
export interface Story {
  readonly text: string;
  readonly recalls: readonly Recall[];
}

/** How many answers of each kind are possible: chance is one in that many. */
export const candidates: Readonly<Record<RecallKind, number>> = {
  name: people.length,
  object: objects.length,
  colour: colours.length,
  place: places.length,
  promise: deeds.length,
};

interface Slot {
  readonly text: string;
  readonly kind?: RecallKind;
  /** Slots that tell the same fact share it. Default: the slot's own text. */
  readonly fact?: string;
}

type Cast = Readonly<Record<string, Slot>>;

const pronouns = {
  he: { they: 'he', them: 'him', their: 'his' },
  she: { they: 'she', them: 'her', their: 'her' },
} as const;

const capital = (word: string): string => word[0].toUpperCase() + word.slice(1);

function cast(choices: Choices): Cast {
  const [hero, friend, other] = choices.sample(people, 3);
  const [object, otherObject] = choices.sample(objects, 2);
  const [colour, otherColour] = choices.sample(colours, 2);
  const [place, otherPlace] = choices.sample(places, 2);
  const deed = choices.pick(deeds);
  const { they, them, their } = pronouns[hero.pronoun];
  const name = (person: Person): Slot => ({ text: person.name, kind: 'name' });
  return {
    hero: name(hero),
    friend: name(friend),
    otherPerson: name(other),
    object: { text: object, kind: 'object' },
    otherObject: { text: otherObject },
    colour: { text: colour, kind: 'colour' },
    otherColour: { text: otherColour },
    place: { text: `${place.preposition} ${place.noun}`, kind: 'place', fact: place.noun },
    home: { text: choices.pick(homes) },
    otherPlace: { text: `${otherPlace.preposition} ${otherPlace.noun}` },
    deed: { text: deed.base, kind: 'promise', fact: deed.base },
    deedPast: { text: deed.past, kind: 'promise', fact: deed.base },
    animal: { text: choices.pick(animals) },
    child: { text: hero.pronoun === 'she' ? 'girl' : 'boy' },
    they: { text: they },
    They: { text: capital(they) },
    them: { text: them },
    their: { text: their },
    Their: { text: capital(their) },
    theyFriend: { text: pronouns[friend.pronoun].they },
  };
}

/** Writes sentences and notes where each fact was last told. */
class Writer {
  text = '';
  readonly recalls: Recall[] = [];
  readonly #told = new Map<string, number>();
  readonly #choices: Choices;
  readonly #cast: Cast;

  constructor(choices: Choices) {
    this.#choices = choices;
    this.#cast = cast(choices);
  }

  say(sentences: readonly string[]): void {
    this.text += this.text === '' ? '' : ' ';
    const chosen = this.#choices
      .pick(sentences)
      .replace(/\[([^\]]+)\]/g, (_, alternatives: string) => this.#choices.pick(alternatives.split('|')));
    for (const [, plain, question, slot] of chosen.matchAll(/([^{}]+)|\{(!?)(\w+)\}/g)) {
      if (plain === undefined) this.#fill(slot, question === '!');
      else this.text += plain;
    }
  }

  /** Between `least` and `most` different sentences. */
  sayAny(sentences: readonly string[], least: number, most: number): void {
    const count = least + this.#choices.below(most - least + 1);
    for (const sentence of this.#choices.sample(sentences, count)) this.say([sentence]);
  }

  #fill(slot: string, question: boolean): void {
    const { text, kind, fact = text } = this.#cast[slot];
    const told = this.#told.get(fact);
    const start = this.text.length;
    if (question && kind && told !== undefined)
      this.recalls.push({ kind, answer: text, start, distance: start - told });
    this.text += text;
    if (kind) this.#told.set(fact, this.text.length);
  }
}

/**
 * Story number `index` of a seed: a child with a friend, a thing that is hidden, something promised, a while of other things, and an end that can
 * only be told by remembering the beginning. The same (seed, index) is the same story everywhere.
 */
export function tellStory(seed: number, index: number): Story {
  const choices = new Choices(seed, index);
  const writer = new Writer(choices);
  // Three plots: a hidden gift, a promised deed, or both.
  const plot = choices.pick(['gift', 'promise', 'both', 'both']);
  writer.say(grammar.openings);
  writer.say(grammar.friends);
  if (plot !== 'promise') {
    writer.say(grammar.finds);
    writer.say(grammar.gifts);
    writer.sayAny(grammar.distractions, 0, 1);
    writer.say(grammar.hidings);
  }
  if (plot !== 'gift') writer.say(grammar.promises);
  writer.sayAny(grammar.distractions, 1, 3);
  if (plot !== 'promise') {
    writer.say(grammar.returns);
    writer.say(grammar.placesFound);
    writer.say(grammar.givings);
  }
  if (plot !== 'gift') writer.say(grammar.keepings);
  writer.say(grammar.endings);
  return { text: writer.text, recalls: writer.recalls };
}

/** Stories `first` to `first + count - 1` of a seed. */
export function tellStories(seed: number, count: number, first = 0): Story[] {
  return Array.from({ length: count }, (_, i) => tellStory(seed, first + i));
}
