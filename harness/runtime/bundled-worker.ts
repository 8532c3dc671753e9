/**
 * The machine's thread from one file, in code that V8 has compiled before: `worker.ts` and all that it imports is 250
 * files, which take Node longer to load than a machine to be made. `scripts/bundle.js` makes both; where V8 is
 * another than it was there, it leaves its code alone and compiles.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { constants, Script } from 'node:vm'

export const BUNDLE = fileURLToPath(new URL('worker.bundle.cjs', import.meta.url))
export const COMPILED = `${BUNDLE}.v8`

/** In stacks: V8 keeps in its code what the file was called where it was compiled, which is another folder than a user's. */
const NAME = '/node_modules/bootwright/dist/harness/runtime/worker.bundle.cjs'

export const script = new Script(`(function (require, __filename, __dirname) {${readFileSync(BUNDLE, 'latin1')}\n})`, {
  filename: NAME,
  cachedData: compiledBefore(),
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
})
script.runInThisContext()(createRequire(BUNDLE), BUNDLE, dirname(BUNDLE))

function compiledBefore(): Buffer | undefined {
  try {
    return readFileSync(COMPILED)
  } catch {
    // While it is made, or where it was left out.
    return undefined
  }
}
