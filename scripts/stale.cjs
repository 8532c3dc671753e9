// Whether dist/ is older than its sources. Each start of the command in a checkout asks, so this loads nothing else.
'use strict'
const { existsSync, readdirSync, statSync } = require('node:fs')
const { dirname, join } = require('node:path')

const root = dirname(__dirname)
/** Written when a build has come to its end. */
const STAMP = join(root, 'dist/.built')
const CORE = join(root, 'dist/machine/cpu/soft/core.wasm')
const ROOMS = ['machine', 'reports', 'fixtures', 'harness', 'guests']
const FILES = ['tsconfig.json', 'tsconfig.build.json', 'package.json']
const SOURCE = /\.(ts|js|css|json)$/
/** What builds generate does not count. */
const LEFT_OUT = new Set(['generated', 'node_modules'])

function isStale() {
  const built = statSync(STAMP, { throwIfNoEntry: false })?.mtimeMs
  if (built === undefined || !existsSync(CORE)) return true
  const isNewer = (path) => (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) > built
  const hasNewer = (folder) =>
    readdirSync(folder, { withFileTypes: true }).some((entry) => {
      const path = `${folder}/${entry.name}`
      if (entry.isDirectory()) return !LEFT_OUT.has(entry.name) && hasNewer(path)
      return SOURCE.test(entry.name) && isNewer(path)
    })
  return FILES.some((file) => isNewer(join(root, file))) || ROOMS.some((room) => hasNewer(join(root, room)))
}

module.exports = { isStale, STAMP }
