// What loads code from one file: the file as V8 compiled it when it was built. Where V8 is another than it was there, or
// what it compiled is missing or damaged, it compiles the file itself, piece by piece.
'use strict'
const { readFileSync } = require('node:fs')
const { createRequire } = require('node:module')
const { constants, Script } = require('node:vm')

/**
 * A file's script; undefined where there is no such file.
 * @param filename What stacks call it. V8 keeps it in what it compiled, which is used in another folder than it was made in.
 */
function compiledScript(file, filename) {
  // As Latin-1, which is what it is, and quicker than UTF-8.
  const text = contents(file, 'latin1')
  return (
    text &&
    new Script(text, {
      filename,
      cachedData: contents(`${file}.v8`),
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    })
  )
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

module.exports = { compiledScript, requireIn }
