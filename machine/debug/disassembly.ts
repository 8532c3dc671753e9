/** Instructions in words, in AT&T's syntax as gdb and QEMU's monitor have them. */
import { createRequire } from 'node:module'
import type * as Iced from 'iced-x86'
import type { CpuState } from '../cpu/engine.js'

export interface Disassembled {
  address: bigint
  bytes: Uint8Array
  /** `mov    %esp,%ebp`, or `(bad)`. */
  text: string
}

export const LONGEST_INSTRUCTION = 15
const CR0_PE = 1n
const EFER_LMA = 1n << 10n
const RFLAGS_VM = 1n << 17n
/** Of CS. */
const CODE_64 = 1 << 13
const CODE_32 = 1 << 14
/** Columns of the mnemonic, as objdump has it. */
const MNEMONIC = 7

let library: typeof Iced | undefined

/** Loaded when somebody asks: few do. */
function iced(): typeof Iced {
  library ??= createRequire(import.meta.url)('iced-x86') as typeof Iced
  return library
}

/** Bits of the code that a CPU executes. */
export function codeBits({ cr0, efer, rflags, segments: [, { access }] }: CpuState): 16 | 32 | 64 {
  if (!(cr0 & CR0_PE) || rflags & RFLAGS_VM) return 16
  if (efer & EFER_LMA && access & CODE_64) return 64
  return access & CODE_32 ? 32 : 16
}

/**
 * As many instructions as were asked for, or as the bytes have whole.
 * @param nameOf What is told of a branch's target behind it.
 */
export function disassemble(
  bytes: Uint8Array,
  address: bigint,
  bits: 16 | 32 | 64,
  count: number,
  nameOf: (target: bigint) => string = () => '',
): Disassembled[] {
  const { Decoder, DecoderOptions, Formatter, FormatterSyntax, FlowControl } = iced()
  const decoder = new Decoder(bits, bytes, DecoderOptions.None)
  const formatter = new Formatter(FormatterSyntax.Gas)
  const found: Disassembled[] = []
  try {
    decoder.ip = address
    formatter.firstOperandCharIndex = MNEMONIC
    formatter.gasShowMnemonicSizeSuffix = true
    formatter.uppercaseHex = false
    formatter.branchLeadingZeros = false
    while (found.length < count && decoder.canDecode) {
      const from = decoder.position
      const instruction = decoder.decode()
      try {
        const isBad = instruction.isInvalid
        // One that the bytes end in is none.
        if (isBad && bytes.length - from < LONGEST_INSTRUCTION && decoder.position >= bytes.length) break
        // A byte that begins no instruction is stepped over.
        if (isBad) decoder.position = from + 1
        const flow = instruction.flowControl
        const isBranch =
          flow === FlowControl.ConditionalBranch ||
          flow === FlowControl.UnconditionalBranch ||
          flow === FlowControl.Call
        const text = isBad ? '(bad)' : formatter.format(instruction)
        const own = bytes.slice(from, decoder.position)
        found.push({
          address: address + BigInt(from),
          bytes: own,
          text: isBranch && !isBad ? `${text}${nameOf(instruction.nearBranchTarget)}` : text,
        })
        if (isBad) decoder.ip = address + BigInt(from + 1)
      } finally {
        instruction.free()
      }
    }
  } finally {
    decoder.free()
    formatter.free()
  }
  return found
}
