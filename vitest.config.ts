import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const long = process.env.BOOTWRIGHT_LONG === '1'

/**
 * Without threads, processes and the environment of their own: files of these need not be kept apart, and share what they
 * import. `--project` names the one or the other.
 */
const PLAIN = [
  ...['bus', 'chipset', 'debug', 'devices', 'firmware', 'media', 'network', 'state'].map((room) => `machine/${room}`),
  ...['config', 'keys', 'needles', 'options', 'picture', 'units', 'words'].map((room) => `harness/${room}`),
  ...['fixtures', 'reports'],
].map((folder) => `test/${folder}/**/*.test.ts`)

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: {
    // The project's guests import what users import; here that is the source.
    alias: [{ find: /^bootwright$/, replacement: source('harness/index.ts') }],
  },
  test: {
    projects: [
      { extends: true, test: { name: 'plain', include: PLAIN, isolate: false } },
      { extends: true, test: { name: 'apart', include: ['test/**/*.test.ts'], exclude: PLAIN } },
    ],
    // `npm run test:long` adds the files named *.long.test.ts.
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
