/**
 * Volumes of format `git`: what a guest reads is a branch of the deployment repository (git-kv, irmin-git, unipi). A
 * release directory carries the files as a tar, because a branch is made only where it is pushed to. Pure.
 */
import type { ImageFormat } from "./format.ts";
import { tar } from "./tar.ts";

export const git: ImageFormat = {
  ...tar,
  name: "git",
  summary: "a branch of the deployment repository, for git-kv, irmin-git and unipi; a tar until it is deployed",
  // Its image is a tar to whoever finds one.
  detect: () => false,
};
