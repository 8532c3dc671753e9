// In dist/bundle/: gives one of the parts that lie there, loaded once in a process. What a command does first is in front
// of this, as `FIRST`; most of what a run needs are functions in one file, in code that V8 has compiled before. What is
// seldom needed is a file of its own; under BOOTWRIGHT_DEBUG=1 all are, so that stacks name the sources.
'use strict'
const { join } = require('node:path')
const { compiledScript, keepCompiled, requireIn } = require('./bundle-compiled.cjs')

const TOGETHER = join(__dirname, 'together.cjs')
const loaded = new Map()
const isDebugged = process.env.BOOTWRIGHT_DEBUG === '1'
const first = isDebugged ? {} : FIRST
const requireInBundle = requireIn(TOGETHER)
let together = isDebugged ? {} : undefined

function load(name) {
  const before = loaded.get(name)
  if (before) return before.exports
  const part = first[name] ?? partOfTogether(name)
  if (!part) return requireInBundle(`./${name}`)
  const module = { exports: {} }
  loaded.set(name, module)
  part(module.exports, requireInBundle, module, TOGETHER, __dirname, load)
  return module.exports
}

function partOfTogether(name) {
  if (!together) {
    load.script = compiledScript(TOGETHER, '/node_modules/bootwright/dist/bundle/together.cjs')
    together = load.script?.runInThisContext() ?? {}
  }
  return together[name]
}

/** For the next run, by this Node. */
load.keep = () => load.script && keepCompiled(load.script, TOGETHER)

module.exports = load
