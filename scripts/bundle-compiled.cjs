// What loads code from one file: the file as V8 compiled it when it was built. Where V8 is another than it was there, or
// what it compiled is missing or damaged, it compiles the file itself, piece by piece; what it has compiled by the end of the
// first run is kept in the user's cache, for the next one.
'use strict'
const { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } = require('node:fs')
const { createRequire } = require('node:module')
const { basename, dirname, join } = require('node:path')
const { constants, Script } = require('node:vm')

/** Scripts of which nothing that fits is kept, and where to. */
const unkept = new Map()

/**
 * A file's script; undefined where there is no such file.
 * @param filename What stacks call it. V8 keeps it in what it compiled, which is used in another folder than it was made in.
 */
function compiledScript(file, filename) {
  // As Latin-1, which is what it is, and quicker than UTF-8.
  const text = contents(file, 'latin1')
  if (!text) return undefined
  const kept = keptFile(file, text)
  const own = kept && contents(kept)
  const script = new Script(text, {
    filename,
    cachedData: own ?? contents(`${file}.v8`),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  })
  // One that is there and does not fit is that of a Node with other options: they would replace one another for ever.
  if (script.cachedDataRejected !== false && kept && !own) unkept.set(script, kept)
  return script
}

/** By Node's version and by the text, whose last line is a comment with its hash. Node's own `os` takes a millisecond. */
function keptFile(file, text) {
  const { XDG_CACHE_HOME, HOME, USERPROFILE } = process.env
  const home = HOME || USERPROFILE
  const cache = XDG_CACHE_HOME || (home && join(home, '.cache'))
  const hash = /\/\/ ([0-9a-f]{32})\n$/.exec(text.slice(-36))?.[1]
  return cache && hash && join(cache, 'bootwright/compiled', `${prefixOf(file)}${hash}.v8`)
}

const prefixOf = (file) => `${basename(file)}-${process.version}-${process.arch}-`

/** Whether `keepCompiled` would do anything. */
const isUnkept = (script) => unkept.has(script)

/** At the end of a run. What cannot be kept is compiled again next time. */
function keepCompiled(script, file) {
  const kept = unkept.get(script)
  unkept.delete(script)
  if (!kept) return
  try {
    const folder = dirname(kept)
    mkdirSync(folder, { recursive: true })
    for (const name of readdirSync(folder)) if (name.startsWith(prefixOf(file))) rmSync(join(folder, name))
    // Another thread may be at the same.
    const unfinished = `${kept}.${Math.random()}`
    writeFileSync(unfinished, script.createCachedData())
    renameSync(unfinished, kept)
  } catch {
    // Nobody waits for it.
  }
}

/** Of Node's own, what takes a millisecond to load and most runs do without. */
const SELDOM = ['child_process', 'crypto', 'dgram', 'fs/promises', 'http', 'net', 'os', 'v8', 'zlib']
const seldom = new Map(SELDOM.map((name) => [`node:${name}`, undefined]))

/** `require` for code that lies in a file; what is seldom used is loaded when something of it is. */
function requireIn(file) {
  const load = createRequire(file)
  const own = (name) => {
    if (!seldom.has(name)) return load(name)
    if (!seldom.get(name))
      seldom.set(
        name,
        whenUsed(() => load(name)),
      )
    return seldom.get(name)
  }
  return Object.assign(own, load)
}

function whenUsed(load) {
  return new Proxy(
    {},
    {
      get: (_, name) => load()[name],
      has: (_, name) => name in load(),
      ownKeys: () => Reflect.ownKeys(load()),
      getOwnPropertyDescriptor(_, name) {
        const member = Object.getOwnPropertyDescriptor(load(), name)
        return member && { ...member, configurable: true }
      },
    },
  )
}

function contents(file, encoding) {
  try {
    return readFileSync(file, encoding)
  } catch {
    // While it is made, or where it was left out.
    return undefined
  }
}

module.exports = { compiledScript, isUnkept, keepCompiled, requireIn }
