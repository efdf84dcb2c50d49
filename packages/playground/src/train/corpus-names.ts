/** The name of the texts that the page makes up. A file of the visitor's has its own. */
export const storiesName = 'the made-up stories';
