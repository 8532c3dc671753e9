// In dist/bundle/: gives one of its parts, loaded once in a process. Most of what a run needs are functions in one file, in
// code that V8 has compiled before; where V8 is another than it was there, it compiles them itself. Parts of which
// something can be begun before that file has been read are files of their own, and so is what is seldom needed; under
// BOOTWRIGHT_DEBUG=1 all are, so that stacks name the sources.
'use strict'
const { readFileSync } = require('node:fs')
const { createRequire } = require('node:module')
const { join } = require('node:path')
const { constants, Script } = require('node:vm')

const TOGETHER = join(__dirname, 'together.cjs')
const COMPILED = `${TOGETHER}.v8`
// V8 keeps in its code what the file was called where it was compiled, which is another folder than a user's.
const NAME = '/node_modules/bootwright/dist/bundle/together.cjs'
const loaded = new Map()
let functions = process.env.BOOTWRIGHT_DEBUG === '1' ? {} : undefined

function load(name) {
  const before = loaded.get(name)
  if (before) return before.exports
  if (BEGUN_WITH.includes(name)) return require(`./${name}`)
  functions ??= together()
  if (!functions[name]) return require(`./${name}`)
  const module = { exports: {} }
  loaded.set(name, module)
  functions[name](module.exports, createRequire(TOGETHER), module, TOGETHER, __dirname, load)
  return module.exports
}

function together() {
  const text = read(TOGETHER, 'latin1')
  if (text === undefined) return {}
  load.script = new Script(text, {
    filename: NAME,
    cachedData: read(COMPILED),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  })
  return load.script.runInThisContext()
}

function read(file, encoding) {
  try {
    return readFileSync(file, encoding)
  } catch {
    // While it is made, or where it was left out.
    return undefined
  }
}

module.exports = load
