/**
 * Runs FEX-Emu's assembly unittests on the soft engine.
 *
 *   npm run conformance -- fex PATH [--only REGEXP] [--show 10] [--cpu max]
 *
 * PATH is a checkout of github.com/FEX-Emu/FEX, or its folder unittests. The memory is what its TestHarnessRunner gives.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import type { CpuState } from '../../../machine/cpu/engine.js'
import { assembleProgram, type FexProgram, parseProgram } from './program.js'
import { type Ending, UserMachine } from './user-machine.js'

/** Where TestHarnessRunner puts the program and the memory that every program has. */
const CODE = 0x10000n
const SCRATCH = [0xe0000000n, 0xa000n] as const
const DISPLACEMENTS = [0xe7fff000n, 0x2000n] as const
const STACK_32 = [0xc0000000n, 0x1000n] as const
/** Instructions after which a program counts as endless. */
const LONGEST = 300_000_000

/** FEX's names of features that no CPU model here has. */
const FOREIGN: ReadonlySet<string> = new Set(['3DNOW', 'EMMI', 'SSE4A', 'CLZERO', 'LINUX'])

/** FEX's own lists of programs that do not pass on real CPUs. */
const LISTS = ['Disabled_Tests', 'Disabled_Tests_host', 'Known_Failures', 'Known_Failures_host']

/** Programs that want something else than an Intel CPU gives. */
const OTHERWISE: ReadonlyMap<string, string> = new Map([
  // FF /3 and /5 with REX.W: 64 bits of offset on Intel's CPUs, 32 on AMD's.
  ...['5_FF_05', '5_FF_05_03_o64', '5_FF_05_03_o64_imm'].map(
    (name) => [`ASM/PrimaryGroup/${name}.asm`, "wants AMD's far pointers"] as const,
  ),
  // The kernel answers for the CPU, and stores 32 bits without clearing the others.
  ['ASM/Secondary/07_XX_04.asm', "wants Linux's SMSW under UMIP"],
])

const SYSTEM_CALL = /^\s*(syscall|sysenter|int 0x80)\b/m

const GENERAL = ['RAX', 'RCX', 'RDX', 'RBX', 'RSP', 'RBP', 'RSI', 'RDI']

/** The 64-bit pieces of a register by FEX's name. */
function register(state: CpuState, name: string): bigint[] {
  const vector = /^XMM(\d+)$/.exec(name)
  const pieces = (bytes: Uint8Array, offset: number, count: number): bigint[] => {
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    return Array.from({ length: count }, (_, i) => view.getBigUint64(offset + i * 8, true))
  }
  if (vector) {
    const n = Number(vector[1])
    return [...pieces(state.fxsave, 160 + n * 16, 2), ...pieces(state.ymmHigh, n * 16, 2)]
  }
  const mmx = /^MM(\d)$/.exec(name)
  if (mmx) {
    // MMn is the physical register; FXSAVE has them from the top of the stack on.
    const top = (state.fxsave[3] >> 3) & 7
    const [significand, exponent] = pieces(state.fxsave, 32 + ((Number(mmx[1]) - top) & 7) * 16, 2)
    return [significand, exponent & 0xffffn]
  }
  if (name === 'RIP') return [state.rip]
  if (name === 'FS' || name === 'GS') return [state.segments[name === 'FS' ? 4 : 5].base]
  const n = GENERAL.indexOf(name)
  return [state.gpr[n >= 0 ? n : Number(name.slice(1))]]
}

/** What is wrong after the program, or undefined. */
function verdict(program: FexProgram, ending: Ending, state: CpuState): string | undefined {
  if (ending.reason !== 'halt') {
    const fault = ending.reason === 'exception' ? `exception ${ending.vector}` : 'no end'
    const address = ending.address === undefined ? '' : ` at ${ending.address.toString(16)}`
    return `${fault}${address}, RIP ${ending.rip.toString(16)}`
  }
  const wrong = program.registers.flatMap(([name, wanted]) => {
    const actual = register(state, name)
    return wanted.flatMap((value, i) =>
      value === actual[i] ? [] : [`${name}[${i}] ${actual[i]?.toString(16)} for ${value.toString(16)}`],
    )
  })
  return wrong.length ? wrong.join(', ') : undefined
}

/** Why the program is not for this CPU, or undefined. */
function outside(program: FexProgram, source: string): string | undefined {
  if (SYSTEM_CALL.test(source)) return 'needs Linux system calls'
  const foreign = program.features.filter((name) => FOREIGN.has(name))
  if (foreign.length) return `needs ${foreign.join(', ')}`
  if ('FEX_X87REDUCEDPRECISION' in program.environment) return "expects FEX's x87 of reduced precision"
  return undefined
}

function execute(machine: UserMachine, program: FexProgram, code: Uint8Array): string | undefined {
  machine.start(program.bits, CODE)
  const regions: (readonly [bigint, bigint])[] = [
    SCRATCH,
    DISPLACEMENTS,
    [CODE, BigInt(code.length)] as const,
    ...program.regions,
  ]
  if (program.bits === 32) regions.push(STACK_32)
  for (const [address, size] of regions) machine.addRegion(address, size)
  machine.write(CODE, code)
  for (const [address, bytes] of program.data) machine.write(address, bytes)
  const ending = machine.run(LONGEST)
  return verdict(program, ending, machine.state())
}

interface Outcome {
  failed?: string
  skipped?: string
}

export interface Tally {
  passed: number
  failed: string[]
  skipped: Map<string, string[]>
}

/** Runs the programs of a folder of `root` whose names match. */
export function runSuite(machine: UserMachine, root: string, suite: string, only: RegExp): Tally {
  const folder = mkdtempSync(join(tmpdir(), 'bootwright-fex-'))
  const tally: Tally = { passed: 0, failed: [], skipped: new Map() }
  const exempt = listed(root, suite)
  try {
    for (const file of sources(join(root, suite))) {
      const name = relative(root, file)
      if (!only.test(name)) continue
      const { failed, skipped } = outcome(machine, file, join(root, 'ASM/Includes'), folder)
      const expected =
        failed && (OTHERWISE.get(name) ?? (exempt.has(name) ? "fails on real CPUs too, say FEX's lists" : ''))
      const reason = skipped ?? expected
      if (reason) tally.skipped.set(reason, [...(tally.skipped.get(reason) ?? []), name])
      else if (failed) tally.failed.push(`${name}: ${failed}`)
      else tally.passed++
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return tally
}

/** Runs what `args` name; returns the number of failed programs. */
export function fex(args: string[]): number {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      only: { type: 'string' },
      show: { type: 'string', default: '20' },
      cpu: { type: 'string', default: 'max' },
    },
  })
  const given = positionals[0]
  if (!given) throw new Error('fex needs the path of a checkout of FEX')
  const root = existsSync(join(given, 'unittests')) ? join(given, 'unittests') : given
  if (!existsSync(join(root, 'ASM'))) throw new Error(`${given} has no folder unittests/ASM`)
  if (spawnSync('nasm', ['-v']).status !== 0) throw new Error('fex needs nasm: apt-get install nasm')
  const only = new RegExp(values.only ?? '')
  const machine = new UserMachine(values.cpu)
  let failures = 0
  for (const suite of ['ASM', '32Bit_ASM']) {
    const tally = runSuite(machine, root, suite, only)
    report(suite, tally, Number(values.show))
    failures += tally.failed.length
  }
  return failures
}

/** Names in FEX's lists, as paths below unittests. */
function listed(root: string, suite: string): Set<string> {
  const files = LISTS.map((name) => join(root, suite, name)).filter((file) => existsSync(file))
  const lines = files.flatMap((file) => readFileSync(file, 'utf8').split('\n'))
  return new Set(lines.map((line) => `${suite}/${line.trim().replace(/^Test_(32Bit_)?/, '')}`))
}

function sources(folder: string): string[] {
  if (!existsSync(folder)) return []
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return files
    .filter((name) => name.endsWith('.asm'))
    .sort()
    .map((name) => join(folder, name))
}

/** The failure, the reason why the program was skipped, or neither. */
function outcome(machine: UserMachine, file: string, includes: string, folder: string): Outcome {
  const source = readFileSync(file, 'utf8')
  const program = parseProgram(source)
  const skipped = program ? outside(program, source) : 'no head'
  if (!program || skipped) return { skipped }
  let code: Uint8Array
  try {
    code = assembleProgram(source, program.bits, includes, folder)
  } catch (error) {
    return { skipped: `nasm: ${(error as Error).message}` }
  }
  return { failed: execute(machine, program, code) }
}

function report(suite: string, { passed, failed, skipped }: Tally, show: number): void {
  const count = [...skipped.values()].reduce((sum, names) => sum + names.length, 0)
  console.log(`${suite}: ${passed} passed, ${failed.length} failed, ${count} skipped`)
  for (const failure of failed.slice(0, show)) console.log(`  failed  ${failure}`)
  for (const [reason, names] of skipped) {
    console.log(`  skipped ${names.length}: ${reason}${names.length <= 3 ? ` (${names.join(', ')})` : ''}`)
  }
}
