// The users' door: HTTP and WebSocket on one port. Owns sockets, and every bound that stands before a request is read: size,
// time, number of connections, who may ask from which page. Answers 200, 4xx or 503 and never a stack.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type WebSocket, WebSocketServer } from 'ws'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import type { Log } from '../chain/base/ports.ts'
import { createDispatch, type Dispatch } from './dispatch.ts'
import type { Ctx } from './method.ts'
import { createSubscriptions } from './subscribe.ts'
import { methods } from './table.ts'

export const ServerErrors = defineErrors('RPC', {
  PORT: {
    text: (d: { port: number; reason: string }) =>
      `cannot listen on port ${d.port}: ${d.reason}; stop what uses it (lsof -i :${d.port}) or choose another with --rpc-port`,
  },
})

export const SERVER_LIMITS = {
  bodyBytes: 5 * 1024 * 1024, // a batch of some thousand transactions
  connections: 900, // below the usual 1,024 descriptors
  headersMs: 10_000, // slow-loris: a header that dribbles
  requestMs: 30_000, // and a body that does
  keepAliveMs: 60_000,
  socketBufferBytes: 16 * 1024 * 1024, // what a WebSocket client may leave unread
} as const

export interface RpcOptions {
  readonly host: string
  readonly port: number
  /** Names a browser may call this server by, beside IP addresses and localhost. */
  readonly hosts: readonly string[]
  /** Origins of pages that may read answers; '*' for all. */
  readonly origins: readonly string[]
}

export interface RpcServer {
  readonly port: number
  close(): Promise<void>
}

/** Throws RPC_PORT. */
export async function startRpc(ctx: Ctx, options: RpcOptions, log: Log): Promise<RpcServer> {
  const dispatch = createDispatch(ctx, methods, log)
  const server = createServer((request, response) => void serve(request, response, dispatch, options))
  server.maxConnections = SERVER_LIMITS.connections
  server.headersTimeout = SERVER_LIMITS.headersMs
  server.requestTimeout = SERVER_LIMITS.requestMs
  server.keepAliveTimeout = SERVER_LIMITS.keepAliveMs
  server.on('clientError', (_error, socket) => socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'))
  const sockets = new WebSocketServer({ noServer: true, maxPayload: SERVER_LIMITS.bodyBytes })
  server.on('upgrade', (request, socket, head) => {
    if (!isAllowed(request, options)) return socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n')
    sockets.handleUpgrade(request, socket, head, (ws) => talk(ws, request, ctx, dispatch))
  })
  await listen(server, options)
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    async close() {
      for (const ws of sockets.clients) ws.terminate()
      server.close()
      server.closeAllConnections()
      if (server.listening) await once(server, 'close')
    },
  }
}

const listen = async (server: Server, { host, port }: RpcOptions): Promise<void> => {
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw new NodeError(
      ServerErrors.PORT,
      { port, reason: reason === 'EADDRINUSE' ? 'it is in use' : reason },
      { cause },
    )
  }
}

const isLocal = (request: IncomingMessage): boolean => {
  const from = request.socket.remoteAddress ?? ''
  return from === '127.0.0.1' || from === '::1' || from === '::ffff:127.0.0.1'
}

/** DNS rebinding: a page of another site reaches this port under its own name, which is then the Host. */
const isAllowed = (request: IncomingMessage, options: RpcOptions): boolean => {
  const host = (request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase()
  const isAddress = /^\d+\.\d+\.\d+\.\d+$/.test(host) || host.startsWith('[')
  if (
    !isAddress &&
    host !== 'localhost' &&
    host !== '' &&
    !options.hosts.includes(host) &&
    !options.hosts.includes('*')
  )
    return false
  const { origin } = request.headers
  return origin === undefined || request.headers.upgrade === undefined || isOrigin(origin, options)
}
const isOrigin = (origin: string, options: RpcOptions): boolean =>
  options.origins.includes('*') || options.origins.includes(origin)

const serve = async (
  request: IncomingMessage,
  response: ServerResponse,
  dispatch: Dispatch,
  options: RpcOptions,
): Promise<void> => {
  const { origin } = request.headers
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (origin !== undefined && isOrigin(origin, options)) {
    headers['access-control-allow-origin'] = origin
    headers['access-control-allow-headers'] = 'content-type'
    headers.vary = 'origin'
  }
  const answer = (status: number, text: string): void => {
    response.writeHead(status, headers).end(text)
  }
  if (!isAllowed(request, options))
    return answer(403, '{"error":"this host name is not allowed; see rpc.hosts in config.toml"}')
  if (request.method === 'OPTIONS') return answer(204, '')
  if (request.method !== 'POST') return answer(405, '{"error":"this is a JSON-RPC endpoint: POST a request to it"}')
  const type = request.headers['content-type']
  if (type !== undefined && !/^(application\/json|text\/plain)/i.test(type))
    return answer(415, '{"error":"expected content-type application/json"}')
  const body = await readBody(request)
  if (body === null) {
    request.destroy()
    return
  }
  if (body === 'large') {
    response.shouldKeepAlive = false
    return answer(413, `{"error":"the body is above ${SERVER_LIMITS.bodyBytes} bytes"}`)
  }
  answer(200, await dispatch(body, { isLocal: isLocal(request) }))
}

/** null where the client went away. */
const readBody = async (request: IncomingMessage): Promise<string | 'large' | null> => {
  if (Number(request.headers['content-length'] ?? 0) > SERVER_LIMITS.bodyBytes) return 'large'
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of request) {
      size += chunk.length
      if (size > SERVER_LIMITS.bodyBytes) return 'large'
      chunks.push(chunk)
    }
  } catch {
    return null
  }
  return Buffer.concat(chunks).toString()
}

/** One WebSocket. Requests of a connection are answered in order. */
const talk = (ws: WebSocket, request: IncomingMessage, ctx: Ctx, dispatch: Dispatch): void => {
  const send = (text: string): void => {
    if (ws.bufferedAmount > SERVER_LIMITS.socketBufferBytes) ws.terminate()
    else ws.send(text)
  }
  const subscriptions = createSubscriptions(ctx, send)
  const caller = { isLocal: isLocal(request), own: subscriptions.methods }
  let last = Promise.resolve()
  let waiting = 0
  ws.on('message', (bytes) => {
    if (++waiting > WAITING_MAX) return ws.terminate()
    last = last.then(async () => {
      const text = await dispatch(bytes.toString(), caller)
      waiting--
      if (text !== '') send(text)
    })
  })
  ws.on('close', () => subscriptions.close())
  ws.on('error', () => ws.terminate())
}
/** Requests of one connection that wait for their turn. */
const WAITING_MAX = 5_000
