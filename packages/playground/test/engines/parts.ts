// Parts of the page in XPath, by what is written on them.

const quote = (text: string): string => `'${text}'`;

export const button = (section: string, name: string): string =>
  `//section[@id='${section}']//button[normalize-space()=${quote(name)}]`;

/** The input or list beside its label. */
export const field = (section: string, name: string): string =>
  `//section[@id='${section}']//label[normalize-space()=${quote(name)}]/following-sibling::*[1]`;

export const named = (name: string): string => `//*[@aria-label=${quote(name)}]`;

/** What takes the file of a button that asks for one. */
export const fileInput = (name: string): string => `//label[normalize-space()=${quote(name)}]/input[@type='file']`;
