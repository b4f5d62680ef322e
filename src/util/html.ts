/** The one thing we take from htmlparser2, in a module of its own so that it is loaded only when used. */
export { Parser } from "htmlparser2";
