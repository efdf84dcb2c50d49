/**
 * Sentences by the part they play in a story. `[a|b]` is one of the alternatives, `{slot}` a word of this story's cast, and
 * `{!slot}` the same word where it can only be known by remembering the beginning: a recall question.
 */

export const openings: readonly string[] = [
  '[Once upon a time|Long ago|One day], there was a {child} named {hero}.',
  '[Once upon a time|Long ago], a [little|small|kind|brave] {child} named {hero} lived {home}.',
  '{hero} was a [happy|kind|brave|little] {child}.',
];

export const friends: readonly string[] = [
  '{hero} had a [good|best|dear] friend named {friend}.',
  '{Their} best friend was {friend}, and {friend} lived {home}.',
  '{They} [liked|loved] to play with {friend}, {their} friend.',
];

export const finds: readonly string[] = [
  '{hero} had a {colour} {object}.',
  'One [day|morning], {they} found a {colour} {object}.',
  '{Their} [mother|father|grandmother] gave {them} a {colour} {object}.',
];

export const gifts: readonly string[] = [
  '"I will give the {colour} {object} to {friend}," {they} said.',
  '{They} wanted to give the {colour} {object} to {friend}.',
  '"This {colour} {object} is for {friend}," said {hero}.',
];

export const hidings: readonly string[] = [
  '{They} [hid|put|left|kept] the {colour} {object} {place}.',
  'So {hero} [hid|put] it {place}.',
  'First {they} [hid|put] the {colour} {object} {place}, where no one could see it.',
];

export const promises: readonly string[] = [
  '"I will {deed} for you [tonight|soon|tomorrow]," {they} told {friend}. "I promise."',
  '{hero} made a promise to {friend}: "I will {deed} [tonight|soon|tomorrow]."',
  '{hero} promised {friend} to {deed}.',
];

/** They say nothing of what must be remembered, and some name other things, so that remembering the last word seen is not enough. */
export const distractions: readonly string[] = [
  'Then it began to rain, and the wind was [cold|strong].',
  'The sun was [warm|bright], and the birds [sang|flew high].',
  'A [big|small|funny] {animal} came by and looked at {them}.',
  '{They} saw a {otherColour} {animal} {otherPlace}.',
  '{otherPerson} had a {otherObject}, but {they} did not want it.',
  '{otherPerson} asked {them} to play, but {they} said no.',
  '{They} was [hungry|tired|thirsty], so {they} [sat down|had some bread|drank some milk].',
  'On the way {they} lost {their} shoe and laughed.',
  'A {animal} ran after {otherPerson}. It was very [funny|fast].',
];

export const returns: readonly string[] = [
  '[In the evening|At last|The next day], {hero} went back to [look for|get] the {!colour} {!object}.',
  '[In the evening|At last|The next day], {friend} asked, "Where is the {!colour} {!object}?"',
];

export const placesFound: readonly string[] = [
  'It was still {!place}.',
  '{They} [found|got] it {!place}.',
  'It was safe {!place}.',
];

export const givings: readonly string[] = [
  '{They} gave the {!colour} {!object} to {!friend}.',
  '{hero} took the {!colour} {!object} and gave it to {!friend}.',
  '"Here is the {!colour} {!object}," said {!hero}.',
];

export const keepings: readonly string[] = [
  'As {they} had promised, {they} {!deedPast} for {!friend}.',
  '{hero} kept {their} promise: {they} {!deedPast}.',
  'And {hero} did not forget. {They} {!deedPast}, as {they} had said.',
];

export const endings: readonly string[] = [
  '{friend} was very happy. "Thank you, {!hero}!" {theyFriend} said.',
  '"You kept your word, {!hero}," said {!friend}.',
  '{!hero} and {!friend} [smiled|laughed|hugged], and they were friends for ever.',
];
