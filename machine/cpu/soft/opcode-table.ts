/**
 * What the opcode table makes: the handlers in the order of the dispatch switch's cases, and the decoder's decision tree.
 * The generator writes it down for the core; the JIT reads from it what a decoded op's handler does.
 */
import { createHash } from 'node:crypto'
import { FEATURES } from '../features.js'
import { tables } from './opcodes/index.js'
import type { GoesOn } from './opcodes/row.js'

const KIND = { none: 0, gpr: 1, gpr8: 2, number: 3, xmm: 4, mmx: 5, opcodeGpr: 6, opcodeGpr8: 7, vectorIndex: 8 }
const IMM: { [form: string]: number } = { Ib: 1, Ibs: 2, Iw: 3, Iz: 4, Iv: 5, IwIb: 6, O: 7, A: 8, Jb: 9, Jz: 10 }
const VVVV: { [form: string]: number } = { B: 1, H: 2 }
const NODE = { leaf: 1, prefix: 2, reg: 3, mod: 4, rm: 5, long: 6, vexL: 7, vexW: 8 }
/** Maps in the order of ROOTS; those of VEX stand behind the legacy ones. */
const MAPS = ['', '0f', '0f38', '0f3a', 'vex 0f', 'vex 0f38', 'vex 0f3a']
const SIZE_TYPES = [[''], ['u16', 'u32', 'u64'], ['u32', 'u64']]

interface Leaf {
  text: string
  prefix?: number
  reg?: number
  mod?: number
  rm?: number
  long?: number
  vexL?: number
  vexW?: number
  words: [number, number]
}

const fail = (text: string): never => {
  throw new Error(`opcode table: ${text}`)
}

export type Ending = 'plain' | 'end' | 'jump'
export interface Variant {
  text: string
  code: string
  ending: Ending
  hot: boolean
  /** See GoesOn; 0 where its faults are unwound. */
  goesOn: GoesOn | 0
}
const variants: Variant[] = []
const variantsOfCall = new Map<string, number>()
const leaves: [number, number][] = []
const nodes: number[] = []
const roots = new Array<number>(MAPS.length * 256).fill(0)
const byOpcode = new Map<number, Leaf[]>()

function addVariants(
  text: string,
  call: string,
  flags: string[],
  sizes: number,
  memoryForms: boolean,
  goesOn: GoesOn | 0,
): number {
  // Rows that call the same handler in the same way (81 and 83, 70 and 0F 80) share its variants.
  const key = [call, flags.filter((f) => f === 'end' || f === 'jump'), sizes, memoryForms].join('|')
  const known = variantsOfCall.get(key)
  if (known !== undefined) return known
  const first = variants.length
  variantsOfCall.set(key, first)
  const ending: Ending = flags.includes('jump') ? 'jump' : flags.includes('end') ? 'end' : 'plain'
  for (const type of SIZE_TYPES[sizes]) {
    for (const memory of memoryForms ? ['false', 'true'] : ['false']) {
      const code = call.replace(/\bT\b/g, type).replace(/\bMEM\b/g, memory)
      // 16-bit forms are never hot: they would only make the switch larger.
      variants.push({ text, code, ending, hot: flags.includes('hot') && type !== 'u16', goesOn })
    }
  }
  return first
}

function addRow(goesOn: GoesOn | 0, where: string, operands: string, call: string, flagText = ''): void {
  const text = `${where} ${operands}`.trim()
  const flags = flagText.split(' ').filter(Boolean)
  const words = where.split(' ')
  const leaf: Leaf = { text, words: [0, 0] }
  const vex = /^vex(?:\.(128|256))?$/.exec(words[0])
  if (vex) {
    if (vex[1]) leaf.vexL = vex[1] === '256' ? 1 : 0
    words.shift()
  }
  const prefix = ['np', '66', 'f3', 'f2'].indexOf(words[0])
  if (prefix >= 0 && words.length > 1 && /^[0-9a-f]{2}/.test(words[1])) {
    leaf.prefix = prefix
    words.shift()
  }
  let map = 0
  if (/^0f(38|3a)?$/.test(words[0]) && words.length > 1 && /^[0-9a-f]{2}\+?$/.test(words[1])) {
    map = MAPS.indexOf(`${vex ? 'vex ' : ''}${words.shift()}`)
  }
  if (vex && map < 4) fail(`${text}: no map`)
  const opcodeWord = words.shift() ?? fail(text)
  const match = /^([0-9a-f]{2})(\+?)$/.exec(opcodeWord) ?? fail(`${text}: no opcode`)
  const opcode = Number.parseInt(match[1], 16)
  let modrm = false
  for (const word of words) {
    if (word === 'w0' || word === 'w1') {
      leaf.vexW = Number(word[1])
      continue
    }
    modrm = true
    if (word[0] === '/') leaf.reg = Number(word[1])
    else if (word === 'mem') leaf.mod = 0
    else if (word === 'reg') leaf.mod = 1
    else if (word.startsWith('rm=')) leaf.rm = Number(word[3])
    else fail(`${text}: ${word}?`)
  }
  let regKind = KIND.none
  let rmKind = KIND.none
  let vvvv = 0
  let imm = 0
  let sizes = 0
  const forms = operands.split(',').filter(Boolean)
  if (forms.join() === 'Iw,Ib') imm = IMM.IwIb
  else {
    for (const form of forms) {
      const letter = form[0]
      const size = form[1] ?? ''
      if (IMM[form] !== undefined) {
        if (imm) fail(`${text}: two immediates`)
        imm = IMM[form]
        if (form === 'Iz' || form === 'Iv' || form === 'Jz') sizes ||= 1
        continue
      }
      if (size === 'v') sizes = 1
      if (size === 'y') sizes = 2
      if (VVVV[letter]) vvvv = VVVV[letter]
      else if (letter === 'Z') rmKind = size === 'b' ? KIND.opcodeGpr8 : KIND.opcodeGpr
      else {
        modrm = true
        if (letter === 'G') regKind = size === 'b' ? KIND.gpr8 : KIND.gpr
        else if (letter === 'S' || letter === 'C' || letter === 'D') regKind = KIND.number
        else if (letter === 'V') regKind = KIND.xmm
        else if (letter === 'P') regKind = KIND.mmx
        else if (letter === 'E' || letter === 'R') rmKind = size === 'b' ? KIND.gpr8 : KIND.gpr
        else if (letter === 'W' || letter === 'U') rmKind = KIND.xmm
        else if (letter === 'Q' || letter === 'N') rmKind = KIND.mmx
        else if (letter === 'X') rmKind = KIND.vectorIndex
        else if (letter !== 'M') fail(`${text}: operand ${form}?`)
        if (letter === 'M' || letter === 'X') leaf.mod = 0
        if (letter === 'R' || letter === 'U' || letter === 'N') leaf.mod = 1
      }
    }
  }
  if (modrm && rmKind === KIND.none) rmKind = KIND.number
  if (/\bT\b/.test(call) && !sizes) sizes = 1
  if (!/\bT\b/.test(call)) sizes = 0
  if (flags.includes('i64')) leaf.long = 0
  if (flags.includes('o64')) leaf.long = 1
  const memoryForms = /\bMEM\b/.test(call)
  const first = addVariants(text, call, flags, sizes, memoryForms, flags.includes('unwinds') ? 0 : goesOn)
  leaf.words[0] = first | (memoryForms ? 1 << 16 : 0) | (sizes << 17)
  const gate = flags.find((flag) => flag.startsWith('if='))?.slice(3)
  if (gate && !FEATURES.has(gate)) fail(`${text}: no feature ${gate}`)
  const has = (flag: string, bit: number): number => (flags.includes(flag) ? bit : 0)
  leaf.words[1] =
    (modrm ? 1 : 0) |
    has('end', 2) |
    has('jump', 2) |
    has('lock', 4) |
    has('d64', 8) |
    has('f64', 16) |
    has('noprefix66', 32) |
    (regKind << 8) |
    (rmKind << 12) |
    (imm << 16) |
    ((gate ? (FEATURES.get(gate) as number) + 1 : 0) << 20) |
    (vvvv << 29)
  for (let i = 0; i < (match[2] ? 8 : 1); i++) {
    const key = map * 256 + opcode + i
    const list = byOpcode.get(key) ?? []
    list.push(leaf)
    byOpcode.set(key, list)
  }
}

/** The decision tree over `choices`, which agree in all that was asked so far. */
function tree(choices: Leaf[], asked: Set<string>): number {
  if (choices.length === 0) return 0
  const questions: ['prefix' | 'long' | 'reg' | 'mod' | 'rm' | 'vexL' | 'vexW', number, number][] = [
    ['long', NODE.long, 2],
    ['prefix', NODE.prefix, 4],
    ['vexL', NODE.vexL, 2],
    ['vexW', NODE.vexW, 2],
    ['mod', NODE.mod, 2],
    ['reg', NODE.reg, 8],
    ['rm', NODE.rm, 8],
  ]
  for (const [name, kind, count] of questions) {
    if (asked.has(name) || choices.every((leaf) => leaf[name] === undefined)) continue
    // Rows that do not care about the question stand under every answer.
    const children = Array.from({ length: count }, (_, answer) =>
      tree(
        choices.filter((leaf) => leaf[name] === undefined || leaf[name] === answer),
        new Set([...asked, name]),
      ),
    )
    const at = nodes.length
    nodes.push(...children)
    return ((kind << 28) | at) >>> 0
  }
  // The row that says most wins: a mandatory prefix or a ModRM form is an exception to the row without.
  const detail = (leaf: Leaf): number =>
    ['prefix', 'reg', 'mod', 'rm', 'long', 'vexL', 'vexW'].filter((q) => leaf[q as 'reg'] !== undefined).length
  const most = Math.max(...choices.map(detail))
  const best = choices.filter((leaf) => detail(leaf) === most)
  if (best.length > 1) fail(`two rows for one place: ${best.map((leaf) => leaf.text).join(' / ')}`)
  leaves.push(best[0].words)
  return ((NODE.leaf << 28) | (leaves.length - 1)) >>> 0
}

export interface HandlerTable {
  /** Handlers by case number: the hot ones, then those called through the function table, by how they end. */
  readonly handlers: readonly Variant[]
  readonly hotCount: number
  /** The first case that ends its block, and the first that returns the next op. */
  readonly endFrom: number
  readonly jumpFrom: number
  /** The case of an invalid opcode. */
  readonly invalid: number
  /** Case by variant, as the leaves name them. */
  readonly cases: readonly number[]
  /** Of the handlers' order: a core and what reads its ops are to agree. */
  readonly hash: number
}

export interface OpcodeTable extends HandlerTable {
  readonly roots: readonly number[]
  readonly nodes: readonly number[]
  readonly leaves: readonly (readonly [number, number])[]
}

let made: HandlerTable | undefined

/** The handlers alone. */
export function handlerTable(): HandlerTable {
  if (made) return made
  for (const table of tables) for (const row of table.rows) addRow(table.goesOn ?? 0, ...row)
  const invalid = addVariants('invalid opcode', 'invalidOpcode()', [], 0, false, 0)
  const handlers = [
    ...variants.filter((v) => v.hot),
    ...(['plain', 'end', 'jump'] as const).flatMap((ending) => variants.filter((v) => !v.hot && v.ending === ending)),
  ]
  const hotCount = variants.filter((v) => v.hot).length
  const called = handlers.slice(hotCount)
  const endFrom = hotCount + called.filter((v) => v.ending === 'plain').length
  const jumpFrom = endFrom + called.filter((v) => v.ending === 'end').length
  const number = new Map(handlers.map((variant, i) => [variant, i]))
  const numberOf = (variant: Variant): number => number.get(variant) as number
  const names = handlers.map(({ code, ending }) => `${code} ${ending}`).join('\n')
  const hash = createHash('sha256').update(names).digest().readUInt32LE(0) >>> 1
  const cases = variants.map(numberOf)
  made = { handlers, hotCount, endFrom, jumpFrom, invalid: cases[invalid], cases, hash }
  return made
}

/** With the decoder's decision tree. */
export function opcodeTable(): OpcodeTable {
  const table = handlerTable()
  for (const [key, choices] of byOpcode) roots[key] = tree(choices, new Set())
  return { ...table, roots, nodes, leaves }
}
