/** Text that keys are written in (RFC 7468). Pure. */

/** Every block of such text begins with this. */
export const KEY_MARK = "-----BEGIN ";
