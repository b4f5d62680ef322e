/** The one thing we take from tinyglobby, in a module of its own so that it is loaded only when used. */
export { glob } from "tinyglobby";
