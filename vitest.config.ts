import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Whole networks take minutes and go first; begun last, one of them would keep one core waiting for the other. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = (file: TestSpecification): boolean => /\/test\/e2e\/|\/node\/sets\.test/.test(file.moduleId)
    const sorted = await super.sort(files)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

// Long suites (every official state test, hundreds of crashes) have their own configuration and script.
export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/*.long.test.ts', 'node_modules/**', 'dist/**'],
    // Against tests that hang, the same for all: how long a test takes is no part of what it asserts, and machines differ.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // Most of a network's time is waiting: two files at once use two cores.
    maxWorkers: 2,
    // Half of all time went into loading the same modules again for each file. What a file leaves behind is the next one's.
    isolate: false,
    setupFiles: ['test/setup.ts'],
    sequence: { sequencer: LongestFirst },
  },
})
