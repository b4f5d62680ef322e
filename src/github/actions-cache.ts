/** The two things we take from `@actions/cache`, in a module of their own so that it is loaded only when used. */
export { restoreCache, saveCache } from "@actions/cache";
