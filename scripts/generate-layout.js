// Writes machine/cpu/soft/layout.ts: the constants of the core's sources that TypeScript shares with it.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const SOURCES = [
  'state',
  'system/features',
  'execute/op',
  'system/segment',
  'system/fault-log',
  'execute/code-map',
  'integer/flags',
  'integer/parked-flags',
  'host',
  'system/told',
]
const CONSTANT = /^export const (\w+): (?:usize|u8|u16|u32|u64|i32) = (.+?)(?: \/\/ .*)?$/gm

/** What layout.ts should be. */
function layout() {
  const known = new Map()
  const lines = []
  for (const name of SOURCES) {
    lines.push('', `// core/${name}.ts`)
    const text = readFileSync(join(root, `machine/cpu/soft/core/${name}.ts`), 'utf8')
    for (const [, constant, expression] of text.matchAll(CONSTANT)) {
      const value = evaluate(expression, known)
      known.set(constant, value)
      lines.push(`export const ${constant} = ${value < 1024 ? value : `0x${value.toString(16)}`}`)
    }
  }
  return `/** The constants of the core's sources. Made by scripts/generate-layout.js, which the build runs; do not edit. */\n${lines.join('\n')}\n`
}

/** Sums, differences, products and shifts of numbers and of constants before. */
function evaluate(expression, known) {
  const plain = expression.replace(/<\w+>/g, '').replace(/\b[A-Z]\w*\b/g, (name) => {
    if (!known.has(name)) throw new Error(`layout: ${name} is not known where it is used`)
    return known.get(name)
  })
  if (!/^[\s\dxa-f+*<|()-]+$/.test(plain)) throw new Error(`layout: ${expression} is no constant`)
  return Function(`return ${plain}`)()
}

/** Leaves the file alone where it is right, so that nothing is built again. */
export function writeLayout() {
  const file = join(root, 'machine/cpu/soft/layout.ts')
  const text = layout()
  if (readFileSync(file, 'utf8') !== text) writeFileSync(file, text)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--print')) process.stdout.write(layout())
  else writeLayout()
}
