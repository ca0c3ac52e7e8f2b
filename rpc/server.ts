// The users' door: HTTP and WebSocket on one port. Owns sockets, and every bound that stands before a request is read: size,
// time, number of connections, who may ask from which page. Answers 200, 4xx or 503 and never a stack.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type WebSocket, WebSocketServer } from 'ws'
import { defineErrors, NodeError } from '../chain/base/errors.ts'
import { rpcLimits } from '../chain/base/limits.ts'
import type { Log } from '../chain/base/ports.ts'
import type { Json } from '../chain/types/call.ts'
import { type Buckets, createBuckets } from './bucket.ts'
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

export interface RpcOptions {
  readonly host: string
  readonly port: number
  /** Names a browser may call this server by, beside IP addresses and localhost. */
  readonly hosts: readonly string[]
  /** Origins of pages that may read answers; '*' for all. */
  readonly origins: readonly string[]
}

/** What an endpoint beside JSON-RPC answers. It gets the body as text and never throws. */
export interface RouteAnswer {
  readonly status: 200 | 201 | 400
  readonly body: Json
}
export type Route = (body: string) => Promise<RouteAnswer>

/** What every connection shares. */
/** Of a request that could not be read. Who was too slow, or met a server that was, may try again as it is. */
export const refusalOf = ({ code }: NodeJS.ErrnoException): string => {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return '408 Request Timeout'
  return code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request'
}

interface Door {
  readonly ctx: Ctx
  readonly dispatch: Dispatch
  readonly options: RpcOptions
  readonly buckets: Buckets
  readonly routes: ReadonlyMap<string, Route>
  /** Bytes of bodies that are being read or answered. */
  bodiesBytes: number
}

/** How often connections are held against their time. */
const CHECK_MS = 2_000

export interface RpcServer {
  readonly port: number
  close(): Promise<void>
}

/** `routes`: endpoints by path for programs on this machine, and for no page. Throws RPC_PORT. */
export async function startRpc(
  ctx: Ctx,
  options: RpcOptions,
  log: Log,
  routes: ReadonlyMap<string, Route> = new Map(),
): Promise<RpcServer> {
  const dispatch = createDispatch(ctx, methods, log)
  const door: Door = { ctx, dispatch, options, buckets: createBuckets(ctx.clock), routes, bodiesBytes: 0 }
  const server = createServer({ connectionsCheckingInterval: CHECK_MS }, (request, response) => {
    void serve(request, response, door)
  })
  server.maxConnections = rpcLimits.connections.value
  server.headersTimeout = rpcLimits.headersMs.value
  server.requestTimeout = rpcLimits.requestMs.value
  server.keepAliveTimeout = rpcLimits.idleMs.value
  server.on('clientError', (error, socket) => {
    if (socket.writable) socket.end(`HTTP/1.1 ${refusalOf(error)}\r\nConnection: close\r\n\r\n`)
    else socket.destroy()
  })
  const sockets = new WebSocketServer({ noServer: true, maxPayload: rpcLimits.bodyBytes.value })
  server.on('upgrade', (request, socket, head) => {
    if (!isAllowed(request, options)) return socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n')
    sockets.handleUpgrade(request, socket, head, (ws) => talk(ws, request, door))
  })
  await listen(server, options)
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    async close() {
      for (const ws of sockets.clients) ws.terminate()
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
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

/** By a program of this machine for itself: what a proxy on it passes on comes from anywhere. */
const isOwn = (request: IncomingMessage): boolean =>
  isLocal(request) && FORWARDED.every((name) => request.headers[name] === undefined)
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via']

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

const isSpent = (request: IncomingMessage, sizeBytes: number, { buckets }: Door): boolean =>
  !isLocal(request) && !buckets.take(request.socket.remoteAddress ?? '', sizeBytes)

const serve = async (request: IncomingMessage, response: ServerResponse, door: Door): Promise<void> => {
  const { dispatch, options } = door
  const { origin } = request.headers
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (origin !== undefined && isOrigin(origin, options)) {
    headers['access-control-allow-origin'] = origin
    headers['access-control-allow-headers'] = 'content-type'
    headers.vary = 'origin'
  }
  const answer = (status: number, text: string): void => {
    // With its length known an answer leaves in one piece; without, in chunks.
    if (status !== 204) headers['content-length'] = String(Buffer.byteLength(text))
    response.writeHead(status, headers).end(text)
  }
  if (!isAllowed(request, options))
    return answer(403, '{"error":"this host name is not allowed; see rpc.hosts in config.toml"}')
  if (request.method === 'OPTIONS') return answer(204, '')
  if (request.method !== 'POST') return answer(405, '{"error":"this is a JSON-RPC endpoint: POST a request to it"}')
  // A page may send plain text anywhere without asking first; JSON it must ask for, and is refused.
  const type = request.headers['content-type']
  const isForeign = origin !== undefined && !isOrigin(origin, options)
  const isJson = /^application\/json/i.test(type ?? '')
  if (!isJson && (isForeign || (type !== undefined && !/^text\/plain/i.test(type))))
    return answer(415, '{"error":"expected content-type application/json"}')
  const route = door.routes.get((request.url ?? '').split('?', 1)[0] ?? '')
  // A route may sign: a page that this machine shows must not reach it, by text or after asking.
  if (route !== undefined && !(isOwn(request) && isJson && origin === undefined))
    return answer(
      403,
      '{"error":"this endpoint is for programs on the same machine, with content-type application/json"}',
    )
  if (door.bodiesBytes > rpcLimits.bodiesBytes.value) {
    response.shouldKeepAlive = false
    return answer(503, BUSY)
  }
  const held = { bytes: 0 }
  try {
    const body = await readBody(request, (bytes) => {
      held.bytes += bytes
      door.bodiesBytes += bytes
    })
    if (body === null) {
      request.destroy()
      return
    }
    if (body === 'large') {
      response.shouldKeepAlive = false
      return answer(413, `{"error":"the body is above ${rpcLimits.bodyBytes.value} bytes"}`)
    }
    if (isSpent(request, body.length, door))
      return answer(429, '{"error":"too many requests from this address; wait a second"}')
    if (route === undefined) return answer(200, await dispatch(body, { isLocal: isOwn(request) }))
    const { status, body: json } = await route(body.toString())
    answer(status, JSON.stringify(json))
  } finally {
    door.bodiesBytes -= held.bytes
  }
}
const BUSY =
  '{"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"the node is busy with other requests; send this one again in a second"}}'

/** null where the client went away. */
const readBody = async (request: IncomingMessage, hold: (bytes: number) => void): Promise<Buffer | 'large' | null> => {
  if (Number(request.headers['content-length'] ?? 0) > rpcLimits.bodyBytes.value) return 'large'
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of request) {
      size += chunk.length
      hold(chunk.length)
      if (size > rpcLimits.bodyBytes.value) return 'large'
      chunks.push(chunk)
    }
  } catch {
    return null
  }
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
}

/** One WebSocket. Its requests are answered in order, and no more are read than wait their turn. */
const talk = (ws: WebSocket, request: IncomingMessage, door: Door): void => {
  const push = (text: string): void => {
    if (ws.bufferedAmount > rpcLimits.socketBufferBytes.value) ws.terminate()
    else ws.send(text)
  }
  const subscriptions = createSubscriptions(door.ctx, push)
  const caller = { isLocal: isOwn(request), own: subscriptions.methods }
  let last = Promise.resolve()
  let waiting = 0
  let waitingBytes = 0
  const hold = (): void => {
    const isFull = waiting >= rpcLimits.socketWaiting.value || waitingBytes >= rpcLimits.bodyBytes.value
    if (isFull && !ws.isPaused) ws.pause()
    else if (!isFull && ws.isPaused) ws.resume()
  }
  ws.on('message', (data) => {
    const body = data as Buffer // the library's default: in one piece
    if (isSpent(request, body.length, door)) return ws.close(1013, 'too many requests from this address')
    waiting++
    waitingBytes += body.length
    hold()
    last = last.then(async () => {
      const text = ws.readyState === ws.OPEN ? await door.dispatch(body, caller) : ''
      // A client that does not read its answers gets no further ones.
      if (text !== '') await new Promise<void>((sent) => ws.send(text, () => sent()))
      waiting--
      waitingBytes -= body.length
      hold()
    })
  })
  let isAlive = true
  const heartbeat = setInterval(() => {
    if (!isAlive && !ws.isPaused) return ws.terminate()
    isAlive = false
    ws.ping()
  }, rpcLimits.idleMs.value)
  ws.on('pong', () => {
    isAlive = true
  })
  ws.on('close', () => {
    clearInterval(heartbeat)
    subscriptions.close()
  })
  ws.on('error', () => ws.terminate())
}
