// Every bound of the users' door in one table: value, unit, reason. Documents print it; code reads `.value`. Owns no behaviour.

export interface Limit {
  readonly value: number
  readonly unit: string
  readonly reason: string
}

const MIB = 1024 * 1024

export const rpcLimits = {
  bodyBytes: { value: 5 * MIB, unit: 'bytes', reason: 'a batch of some thousand transactions' },
  bodiesBytes: { value: 128 * MIB, unit: 'bytes', reason: 'all bodies that are read or answered at a time' },
  batchRequests: { value: 1_000, unit: 'requests', reason: 'a block explorer reads a block in one batch' },
  responseBytes: { value: 25 * MIB, unit: 'bytes', reason: 'the receipts of a full block fit several times' },
  nestingDepth: { value: 64, unit: 'levels', reason: 'the deepest honest request has 8, and JSON.parse recurses' },
  callGas: { value: 50_000_000, unit: 'gas', reason: 'three of the largest transactions' },
  callMs: { value: 5_000, unit: 'ms', reason: 'a worker answers others too' },
  logBlocks: { value: 10_000, unit: 'blocks', reason: 'a range that the index answers in tens of milliseconds' },
  logResults: { value: 10_000, unit: 'logs', reason: 'about 5 MB of answer' },
  filters: { value: 1_000, unit: 'filters', reason: 'polled filters of all users together' },
  filterLifeMs: { value: 300_000, unit: 'ms', reason: 'a filter that nobody polls is gone; as in geth' },
  subscriptions: { value: 100, unit: 'subscriptions', reason: 'of one connection' },
  connections: { value: 900, unit: 'connections', reason: 'below the usual 1,024 descriptors of a process' },
  headersMs: { value: 10_000, unit: 'ms', reason: 'a header that dribbles (slow-loris) holds a connection no longer' },
  requestMs: { value: 30_000, unit: 'ms', reason: 'and neither does a body' },
  idleMs: { value: 60_000, unit: 'ms', reason: 'a kept connection without requests; a WebSocket that answers no ping' },
  socketBufferBytes: { value: 32 * MIB, unit: 'bytes', reason: 'what a WebSocket client may leave unread: one answer' },
  socketWaiting: { value: 100, unit: 'requests', reason: 'of one WebSocket, read before the first is answered' },
  bucketTokens: {
    value: 5_000,
    unit: 'tokens',
    reason: 'what one remote address may spend at once; 256 bytes cost one',
  },
  bucketPerSecond: { value: 1_000, unit: 'tokens/s', reason: 'and how fast it comes back; loopback is free' },
  bucketAddresses: { value: 10_000, unit: 'addresses', reason: 'remembered at a time, 1 MB' },
} as const satisfies Readonly<Record<string, Limit>>
