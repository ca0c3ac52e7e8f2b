// Logs, metrics and health. Owns the logger's form (pino, one JSON line each, on stderr), the metrics registry, and the port
// that serves /metrics, /health/live and /health/ready.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type DestinationStream, pino } from 'pino'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Log, Meter } from '../chain/base/ports.ts'

export const createLog = (level: string, to: DestinationStream = pino.destination({ fd: 2, sync: true })): Log => {
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, to)
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
  }
}

/** Of what runs beside a node, or without one: nobody listens. */
export const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }
export const noMeter: Meter = {
  counter: () => ({ add() {} }),
  gauge: () => ({ set() {} }),
  histogram: () => ({ observe() {} }),
}

const PREFIX = 'novachain_'
const BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export interface Telemetry {
  readonly meter: Meter
  readonly registry: Registry
}

export function createTelemetry(): Telemetry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: PREFIX })
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  new Gauge({
    name: `${PREFIX}event_loop_delay_max_seconds`,
    help: 'Longest the event loop was held since the last scrape',
    registers: [registry],
    collect() {
      this.set(delay.max / 1e9)
      delay.reset()
    },
  })
  const registers = [registry]
  const meter: Meter = {
    counter(name, help, labels = []) {
      const counter = new Counter({ name: PREFIX + name, help, labelNames: [...labels], registers })
      return { add: (count = 1, of = {}) => counter.inc(of, count) }
    },
    gauge(name, help, labels = []) {
      const gauge = new Gauge({ name: PREFIX + name, help, labelNames: [...labels], registers })
      return { set: (value, of = {}) => gauge.set(of, value) }
    },
    histogram(name, help, labels = [], buckets = BUCKETS) {
      const histogram = new Histogram({
        name: PREFIX + name,
        help,
        labelNames: [...labels],
        buckets: [...buckets],
        registers,
      })
      return { observe: (value, of = {}) => histogram.observe(of, value) }
    },
  }
  return { meter, registry }
}

/** Serves the registry; takes the next free port from `port` on. `notReady` says why not, or null; `warning` what will be wrong one day. */
export async function serveTelemetry(
  registry: Registry,
  options: { readonly host: string; readonly port: number },
  health: { notReady(): string | null; warning(): string | null },
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const reason = health.notReady()
    if (request.url === '/health/live') response.end('ok\n')
    else if (request.url === '/health/ready') {
      const warned = health.warning()
      response
        .writeHead(reason === null ? 200 : 503)
        .end(`${reason ?? 'ok'}\n${warned === null ? '' : `warning: ${warned}\n`}`)
    } else if (request.url === '/metrics')
      void registry.metrics().then((text) => response.setHeader('content-type', registry.contentType).end(text))
    else response.writeHead(404).end('see /metrics, /health/live, /health/ready\n')
  })
  for (let port = options.port; ; port++) {
    server.listen(port, options.host)
    try {
      await once(server, 'listening')
      const address = server.address()
      return {
        port: typeof address === 'object' && address !== null ? address.port : port,
        async close() {
          const closed = once(server, 'close')
          server.close()
          server.closeAllConnections()
          await closed
        },
      }
    } catch (error) {
      const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
      if (!isTaken || port - options.port >= PORT_TRIES) throw error
    }
  }
}
const PORT_TRIES = 100
