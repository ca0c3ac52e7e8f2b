// The version of this package, as package.json says, wherever this file runs from.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The package's root: above `node/` in a checkout, above `dist/node/` when installed. */
const above = (dir: string): string => (existsSync(join(dir, 'package.json')) ? dir : above(dirname(dir)))
export const packageRoot = above(dirname(fileURLToPath(import.meta.url)))

export const { version }: { version: string } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'))
