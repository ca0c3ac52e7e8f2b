// Foundry's programs as npm brings them, and npm's solc in the place of a native compiler.
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ARCH: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/** Where the binary for this machine is. */
export const foundry = (program: 'anvil' | 'cast' | 'forge'): string => {
  const name = `@foundry-rs/${program}-${process.platform}-${ARCH[process.arch] ?? process.arch}/bin/${program}`
  return createRequire(import.meta.url).resolve(name)
}

/** Writes into a folder what forge takes for a compiler with `--use`. */
export const compilerIn = (dir: string): string => {
  const compiler = join(dir, 'solc-0.8.37')
  const script = fileURLToPath(new URL('solc.ts', import.meta.url))
  writeFileSync(compiler, `#!/bin/sh\nexec '${process.execPath}' '${script}' "$@"\n`, { mode: 0o755 })
  return compiler
}
