/** Text that a terminal shows and does not obey. Pure. */

/** Control characters but tab and line end, and what turns the direction of text (Unicode Cc; UAX 9, 2.1 to 2.4). */
export const OBEYED =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** The same with each character that a terminal would obey written as `\u{9b}`: names come from images and repositories. */
export const printable = (text: string): string =>
  text.replaceAll(OBEYED, (character) => `\\u{${(character.codePointAt(0) as number).toString(16)}}`);
