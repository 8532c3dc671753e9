/**
 * Makes the decoder's tables and the dispatch switch from the opcode table.
 *
 *   core/generated/tables.ts    the opcode maps as a decision tree, and the leaves' operand forms
 *   core/generated/dispatch.ts  `execute()`: a case for each variant (operand size, register or memory form) of a hot row;
 *                               every other variant is a function of its own, called through the function table. One switch
 *                               with all of them inlined takes minutes to compile and does not run faster.
 *
 * A row is [where, operands, call, flags]:
 * - where: mandatory prefix (np 66 f2 f3), map (0f, 0f38, 0f3a), opcode byte (`+`: register in its low bits), `/n` for
 *   ModRM.reg, `mem` or `reg` for ModRM.mod, `rm=n`; with VEX first `vex` (any VEX.L), `vex.128` or `vex.256`, and at
 *   the end `w0` or `w1` where VEX.W counts;
 * - operands as the Intel SDM names them (vol. 2, appendix A): E G M R Z S C D V W U P Q N with a size letter
 *   b w d q v y, immediates Ib Ibs Iw Iz Iv, O, A, Jb, Jz; H and B are the XMM and the general register of VEX.vvvv,
 *   X is memory whose index is an XMM register;
 * - call: the handler, `T` standing for the operand size's type and `MEM` for "the operand is in memory";
 * - flags: `end` (ends a block, sets RIP), `jump` (returns the next op), `hot`, `lock`,
 *   `i64`, `o64`, `d64`, `f64`, `noprefix66`, `unwinds`; `if=NAME`: #UD where the CPU model has not this feature.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FEATURES } from '../features.js'
import { opcodeTable, type Variant } from './opcode-table.js'
import { tables } from './opcodes/index.js'

/** One case of the switch. */
function caseOf({ text, code, ending }: Variant, label: string): string {
  const then = {
    plain: `${code}\n        break`,
    end: `${code}\n        op = leave(op)\n        if (!op) return\n        continue`,
    jump: `op = ${code}\n        if (!op) return\n        continue`,
  }[ending]
  return `      case ${label}: // ${text}\n        ${then}`
}

/** A file of the core with its room: names are unique in all of them. */
function placeOf(generated: string, file: string): string {
  const core = join(generated, '..')
  const room = readdirSync(core).find((name) => name !== 'generated' && existsSync(join(core, name, `${file}.ts`)))
  return room === undefined ? file : `${room}/${file}`
}

export function generate(folder: string): void {
  const imports = new Map<string, Set<string>>()
  for (const { from } of tables) for (const file of from) imports.set(file, new Set())
  const exported = new Map<string, string>()
  for (const { from } of tables)
    for (const file of from)
      for (const name of exportsOf(join(folder, '..', `${placeOf(folder, file)}.ts`))) exported.set(name, file)
  for (const { rows } of tables) {
    for (const [, , call] of rows) {
      for (const [name] of call.matchAll(/[A-Za-z_]\w*/g)) {
        const file = exported.get(name)
        if (file) imports.get(file)?.add(name)
      }
    }
  }
  const { handlers, hotCount, endFrom, jumpFrom, invalid, cases, roots, nodes, leaves, hash } = opcodeTable()
  const list = (numbers: readonly number[]): string => numbers.map(String).join(', ')
  const head = '// Made by machine/cpu/soft/generate.ts from the opcode table. Do not edit.\n'
  // A function for each handler but those hot ones that branch: compiled code calls the hot ones as well.
  const functions = [...handlers.entries()].filter(([i, v]) => i >= hotCount || v.ending === 'plain')
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'tables.ts'),
    `${head}export const HANDLER_INVALID: u16 = ${invalid}
export const ROOTS: StaticArray<u32> = [${list(roots)}]
export const NODES: StaticArray<u32> = [${list(nodes)}]
export const LEAVES: StaticArray<u32> = [${list(leaves.flat())}]
/** Case of the dispatch switch by variant. */
export const CASES: StaticArray<u16> = [${list(cases)}]
/** By case: see GoesOn. */
export const GOES_ON: StaticArray<u8> = [${list(handlers.map(({ goesOn }) => goesOn))}]
export const TABLE_HASH: u32 = ${hash}
`,
  )
  writeFileSync(
    join(folder, 'features.ts'),
    `${head}${[...FEATURES].map(([name, n]) => `export const F_${name.toUpperCase().replace(/\W/g, '_')}: u32 = ${n}`).join('\n')}\n`,
  )
  const importLines = [...imports]
    .map(([file, names]) => [file, [...names].filter((name) => name !== 'invalidOpcode')] as const)
    .filter(([, names]) => names.length)
    .map(([file, names]) => `import { ${[...names].sort().join(', ')} } from '../${placeOf(folder, file)}'`)
  const signature = (v: Variant, i: number): string =>
    v.ending === 'jump'
      ? `function h${i}(op: usize): usize {\n  return ${v.code}\n}`
      : `function h${i}(op: usize): void {\n  ${v.code}\n}`
  writeFileSync(
    join(folder, 'dispatch.ts'),
    `${head}import { OP_HANDLER, OP_SIZE } from '../execute/op'
import { advance, leave } from '../execute/chain'
import { limit, setCurrentOp } from '../execute/progress'
import { HANDLER_TABLE } from '../state'
import { invalidOpcode } from '../system/system'
${importLines.join('\n')}

${functions.map(([i, v]) => `// ${v.text}\n${signature(v, i)}`).join('\n')}

/** Enters the handlers into HANDLER_TABLE. */
export function fillHandlerTable(): void {
${functions.map(([i]) => `  store<u16>(HANDLER_TABLE, <u16>h${i}.index, ${2 * i})`).join('\n')}
}

/** Executes from \`op\` on until something wants attention; 0 is nothing to execute. */
export function execute(first: usize): void {
  let op = first
  if (!op) return
  while (true) {
    setCurrentOp(op)
    const handler = <u32>load<u16>(op, OP_HANDLER)
    switch (handler) {
${handlers
  .slice(0, hotCount)
  .map((v, i) => caseOf(v, String(i)))
  .join('\n')}
      default:
        if (handler < ${endFrom}) {
          call_indirect<void>(<u32>load<u16>(HANDLER_TABLE + (<usize>handler << 1)), op)
          break
        }
        if (handler < ${jumpFrom}) {
          call_indirect<void>(<u32>load<u16>(HANDLER_TABLE + (<usize>handler << 1)), op)
          op = leave(op)
        } else op = call_indirect<usize>(<u32>load<u16>(HANDLER_TABLE + (<usize>handler << 1)), op)
        if (!op) return
        continue
    }
    if (op + OP_SIZE < limit) {
      op += OP_SIZE
      continue
    }
    op = advance(op)
    if (!op) return
  }
}
`,
  )
  console.log(`opcode table: ${leaves.length} leaves, ${handlers.length} handlers, ${hotCount} of them hot`)
}

function exportsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/^(?:@\w+\s+)*export (?:function|const) (\w+)/gm)].map((m) => m[1])
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  generate(join(dirname(fileURLToPath(import.meta.url)), 'core/generated'))
