import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const long = process.env.BOOTWRIGHT_LONG === '1'

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: {
    // The project's guests import what users import; here that is the source.
    alias: [{ find: /^bootwright$/, replacement: source('harness/index.ts') }],
  },
  test: {
    // `npm run test:long` adds the files named *.long.test.ts.
    include: ['test/**/*.test.ts'],
    exclude: ['node_modules/**', ...(long ? [] : ['test/**/*.long.test.ts'])],
    // Machines' threads run what is in dist/.
    globalSetup: ['scripts/vitest-setup.js'],
    reporters: ['default', './scripts/vitest-skipped.js'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: long ? 30 * 60_000 : 60_000,
    hookTimeout: 120_000,
  },
})
