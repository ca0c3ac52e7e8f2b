import { defineConfig } from 'vitest/config'

// Long suites (every official state test, hundreds of crashes) have their own configuration and script.
export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/*.long.test.ts', 'node_modules/**', 'dist/**'],
    testTimeout: 60_000,
  },
})
