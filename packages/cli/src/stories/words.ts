/** What a story can be about. Every list holds words that no other list holds, so that a remembered word is told from all others. */

export interface Person {
  readonly name: string;
  readonly pronoun: 'he' | 'she';
}

const person =
  (pronoun: Person['pronoun']) =>
  (name: string): Person => ({ name, pronoun });

export const people: readonly Person[] = [
  ...['Anna', 'Clara', 'Emma', 'Grace', 'Lily', 'Mia', 'Rose', 'Sara'].map(person('she')),
  ...['Ben', 'David', 'Finn', 'Jack', 'Leo', 'Noah', 'Oscar', 'Tom'].map(person('he')),
];

export const objects: readonly string[] = [
  'ball',
  'bell',
  'book',
  'coin',
  'cup',
  'doll',
  'drum',
  'flute',
  'hat',
  'key',
  'kite',
  'lamp',
  'map',
  'ring',
  'shell',
  'spoon',
];

export const colours: readonly string[] = ['black', 'blue', 'brown', 'green', 'grey', 'pink', 'red', 'white', 'yellow'];

/** `where` follows a verb ("hid it in the barn"); the remembered word is the noun. */
export interface Place {
  readonly preposition: string;
  readonly noun: string;
}

export const places: readonly Place[] = [
  { preposition: 'in the', noun: 'attic' },
  { preposition: 'in the', noun: 'barn' },
  { preposition: 'under the', noun: 'bridge' },
  { preposition: 'in the', noun: 'cave' },
  { preposition: 'in the', noun: 'forest' },
  { preposition: 'in the', noun: 'garden' },
  { preposition: 'on the', noun: 'hill' },
  { preposition: 'in the', noun: 'kitchen' },
  { preposition: 'by the', noun: 'lake' },
  { preposition: 'behind the', noun: 'mill' },
  { preposition: 'by the', noun: 'river' },
  { preposition: 'under the', noun: 'tree' },
];

/** Something promised ("I will ...") and, at the end of the story, done. */
export interface Deed {
  readonly base: string;
  readonly past: string;
}

export const deeds: readonly Deed[] = [
  { base: 'bake a cake', past: 'baked a cake' },
  { base: 'build a boat', past: 'built a boat' },
  { base: 'draw a picture', past: 'drew a picture' },
  { base: 'light a fire', past: 'lit a fire' },
  { base: 'make soup', past: 'made soup' },
  { base: 'paint the door', past: 'painted the door' },
  { base: 'pick apples', past: 'picked apples' },
  { base: 'plant a seed', past: 'planted a seed' },
  { base: 'sing a song', past: 'sang a song' },
  { base: 'tell a joke', past: 'told a joke' },
];

export const animals: readonly string[] = [
  'bird',
  'cat',
  'cow',
  'dog',
  'duck',
  'fox',
  'frog',
  'goat',
  'horse',
  'mouse',
];

export const homes: readonly string[] = [
  'in a big town',
  'in a little house',
  'in an old village',
  'near the sea',
  'on a small farm',
];
