// In dist/harness/runtime/: a machine's thread from one file. `worker.js` and all that it imports is 250 files, which take
// Node longer to load than a machine to be made.
'use strict'
const { join } = require('node:path')
const { parentPort } = require('node:worker_threads')
const { compiledScript, isUnkept, keepCompiled, requireIn } = require('./bundle-compiled.cjs')

const BUNDLE = join(__dirname, 'worker.bundle.cjs')
const script = compiledScript(BUNDLE, '/node_modules/bootwright/dist/harness/runtime/worker.bundle.cjs')
exports.script = script
// When its first machine is closed, V8 has compiled what one needs.
if (isUnkept(script))
  parentPort.on('message', ({ method }) => {
    if (method === 'close') keepCompiled(script, BUNDLE)
  })
script.runInThisContext()(requireIn(BUNDLE), BUNDLE, __dirname)
