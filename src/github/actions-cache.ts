/** What we take from `@actions/cache`, in a module of their own so that it is loaded only when used. */
export { isFeatureAvailable, restoreCache, saveCache } from "@actions/cache";
