// The tables of a node's store by name, for people and metrics. Owns nothing but the names; who owns a table defines its keys.

/** By the first byte of their keys: `state.ts`, `blocks.ts`, `logs.ts`, `archive.ts`, `snapshot.ts`. */
export const TABLES: Readonly<Record<string, string>> = {
  a: 'accounts',
  b: 'accounts before',
  s: 'slots',
  t: 'slots before',
  n: 'trie nodes',
  p: 'pieces of a snapshot',
  o: 'trie nodes before',
  c: 'code',
  u: 'undo lists',
  m: 'state head',
  H: 'headers',
  B: 'transactions',
  R: 'receipts',
  N: 'block hashes',
  T: 'transaction places',
  Q: 'certificates',
  M: 'chain head',
  L: 'log index',
  A: 'archived certificates',
  V: 'votes of the last heights',
  E: 'evidence',
}

export const tableOf = (prefix: number): string => TABLES[String.fromCharCode(prefix)] ?? `0x${prefix.toString(16)}`
