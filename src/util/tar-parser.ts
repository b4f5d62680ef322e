/** The one thing we take from npm's `tar`, in a module of its own so that it is loaded only when used. */
export { Parser } from "tar";
