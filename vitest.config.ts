import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const long = process.env.BOOTWRIGHT_LONG === '1'

/**
 * What looks at its own process or changes it (its memory, speed, environment, standard output), is about vitest itself, or speaks
 * for a command of a user's: each file has a process of its own. All others share theirs with what they import, and the
 * soft engine's core is compiled once.
 */
const APART = [
  ...['cli', 'coverage', 'guest', 'images', 'live', 'queue', 'stages', 'vitest'].map(
    (room) => `test/harness/${room}/**`,
  ),
  ...['test/examples.test.ts', 'test/examples-matrix.test.ts', 'test/fuzz/fuzz.test.ts'],
  ...['test/machine/closed-machines.test.ts', 'test/harness/runtime/kept-states.test.ts'],
  'test/harness/runtime/hostile.test.ts',
].map((pattern) => (pattern.endsWith('.ts') ? pattern : `${pattern}/*.test.ts`))

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: {
    // The project's guests import what users import; here that is the source.
    alias: [{ find: /^bootwright$/, replacement: source('harness/index.ts') }],
  },
  test: {
    projects: [
      { extends: true, test: { name: 'apart', include: APART } },
      { extends: true, test: { name: 'together', include: ['test/**/*.test.ts'], exclude: APART, isolate: false } },
    ],
    // `npm run test:long` adds the files named *.long.test.ts.
    exclude: ['node_modules/**', ...(long ? [] : ['test/**/*.long.test.ts'])],
    // Machines' threads run what is in dist/.
    globalSetup: ['scripts/vitest-setup.js'],
    reporters: ['default', './scripts/vitest-skipped.js'],
    // What was built is loaded as it is.
    server: { deps: { external: [/\/dist\//] } },
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: long ? 30 * 60_000 : 60_000,
    hookTimeout: 120_000,
  },
})
