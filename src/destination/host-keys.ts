/** Host keys that ssh compares a server's with: GitHub's, built in, and those of a known_hosts file. Pure. */
import { DeployError } from "../errors.ts";
import { readPublicKey } from "../util/ssh-key.ts";

/**
 * GitHub's ssh host keys as published at https://api.github.com/meta and in its documentation ("GitHub's SSH key
 * fingerprints"), last compared in November 2026. The RSA key dates from March 2023, the others from 2021.
 */
const GITHUB_KEYS = [
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
  "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=",
  "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQCj7ndNxQowgcQnjshcLrqPEiiphnt+VTTvDP6mHBL9j1aNUkY4Ue1gvwnGLVlOhGeYrnZaMgRK6+PKCUXaDbC7qtbW8gIkhL7aGCsOr/C56SJMy/BCZfxd1nWzAOxSDPgVsmerOBYfNqltV9/hWCqBywINIR+5dIg6JTJ72pcEpEjcYgXkE2YEFXV1JHnsKgbLWNlhScqb2UmyRkQyytRLtL+38TGxkxCflmO+5Z8CSSNY7GidjMIZ7Q4zMjA2n1nGrlTDkzwDCsw+wqFPGQA179cnfGWOWRVruj16z6XyvxvjJwbz0wQZ75XK5tKSb7FNyeIEs4TT4jk+S4dhPeAUC5y+bDYirYgM4GC7uEnztnZyaVWQ7B381AK4Qdrwt51ZqExKbQpTUNn+EjqoTwvqNj4kqx5QUCI0ThS/YkOxJCXmPUWZbhjpCg56i+2aB6CmK2JGhn57K5mj0MNdBXA4/WnwH6XoPWJzK5Nyu2zB3nAZp+S5hpQs+p1vN1/wsjk=",
];

/** Port 443 is for networks that let nothing else out; the keys there are the same. */
const GITHUB_HOST_KEYS = GITHUB_KEYS.map((key) => `github.com,[ssh.github.com]:443 ${key}\n`).join("");

/** Optional marker, names (which may be hashed), type of key, key (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). */
const HOST_LINE = /^(?:@(?:cert-authority|revoked)\s+)?[^\s@#]\S*\s+(?:ssh-|ecdsa-|sk-)\S+\s+[A-Za-z0-9+/]+=*(?:\s|$)/;

/** A known_hosts file of GitHub's keys and the given lines. Throws KEY_INVALID naming every line that is none. */
export function knownHostsFile(lines: string | undefined): string {
  const given = (lines ?? "").split(/\r\n?|\n/).map((line) => line.trim());
  const problems = given.flatMap((line, i) =>
    line === "" || line.startsWith("#") || HOST_LINE.test(line) ? [] : [`line ${i + 1} ${mistakeOf(line)}`],
  );
  if (problems.length > 0) {
    throw new DeployError("KEY_INVALID", "known-hosts is not made of lines of a known_hosts file", {
      problems,
      hint: "give what ssh-keyscan HOST prints, compared with what the host publishes: HOST ssh-ed25519 AAAA…",
    });
  }
  return GITHUB_HOST_KEYS + given.map((line) => `${line}\n`).join("");
}

function mistakeOf(line: string): string {
  if (readPublicKey(line)) return "begins with the key; the host's name stands before it";
  if (/(?:SHA256|MD5):/.test(line)) return "is a fingerprint, not a key";
  return "is not of the form HOST TYPE KEY";
}
