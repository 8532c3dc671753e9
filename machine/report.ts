/**
 * All that a machine has to tell of its guest, as one object: failures on the terminal, `--json`, traces, the matrix and
 * saved sessions take it from here. The schema is what checks it where it comes from a file.
 */
import * as z from 'zod'
import type { PortAccess } from './bus/port-log.js'
import type { Fault } from './cpu/engine.js'
import type { Warning } from './warnings.js'

const Count = z.int().min(0)
const Words = z.string().max(1 << 16)

/** An access to something that the machine does not have. */
export const UnhandledAccess = z.object({
  kind: z.enum(['port', 'mmio', 'msr']),
  address: z.number().nonnegative(),
  /** Of what would be there on other machines. */
  name: Words.optional(),
  reads: Count,
  writes: Count,
})

/** What a device could not do for the guest, or would not on real hardware, by its text. */
export const WarningSchema: z.ZodType<Warning> = z.object({
  text: Words,
  address: z.number().optional(),
  count: Count,
})

const PortAccessSchema: z.ZodType<PortAccess> = z.object({
  kind: z.enum(['read', 'write']),
  port: z.int().min(0).max(0xffff),
  name: Words.optional(),
  size: z.union([z.literal(1), z.literal(2), z.literal(4), z.literal(8)]),
  value: z.number().nonnegative(),
  times: Count,
})

const Hex = z.string().regex(/^0x[\da-f]+$/)

/** An address of the guest's program, with what its symbols know of it. */
export const Place = z.object({
  /** Linear. */
  address: Hex,
  symbol: Words.optional(),
  /** Bytes behind the symbol. */
  offset: Count.optional(),
  file: Words.optional(),
  line: Count.optional(),
})

/** Where a CPU is, or was when it called what stands before it. */
export const StackFrame = Place.extend({
  /**
   * How it was found: `registers` for the CPU's own place; `frame pointer`: by the chain of them; `call`: the stack has a
   * return address behind a call of the very function; `interrupt`: it was interrupted there; `guess`: the stack has a
   * return address behind some call.
   */
  by: z.enum(['registers', 'unwind table', 'frame pointer', 'call', 'interrupt', 'guess']),
  /** So many frames of it follow one another, where it is more than one: a function that calls itself. */
  times: Count.optional(),
})

export const Backtrace = z.object({
  cpu: Count,
  /** The innermost first. */
  frames: z.array(StackFrame).max(256),
})

const FaultSchema: z.ZodType<Fault & { at?: Place }> = z.object({
  vector: z.int().min(0).max(255),
  errorCode: z.number().optional(),
  cs: z.int().min(0).max(0xffff),
  ip: Hex,
  cr2: Hex.optional(),
  refused: z
    .object({
      access: z.enum(['read', 'write', 'execute']),
      segment: z.string().optional(),
      offset: Hex,
      limit: Hex,
      why: z.enum(['past its limit', 'below its limit', 'null selector', 'type', 'not canonical']),
    })
    .optional(),
  instructions: Count,
  /** What symbols know of where it was. */
  at: Place.optional(),
})

export const MachineReport = z.object({
  /** What the guest touched and the machine does not have, most often first. */
  unhandled: z.array(UnhandledAccess),
  /** What devices warned of, most often first. */
  warnings: z.array(WarningSchema),
  /** The last port accesses, the last one last. */
  lastIo: z.array(PortAccessSchema),
  /** The last exceptions, the last one last; none under kvm, which delivers its own unseen. */
  faults: z.array(FaultSchema),
  /** Registers of all CPUs in one readable block of text. */
  registers: z.string(),
  /** Where each CPU is and how it came there, with names where there are symbols. */
  backtraces: z.array(Backtrace).max(256),
  /** The guest has switched its mouse's reports on, or asks for them. */
  mouse: z.boolean(),
})

export type UnhandledAccess = z.infer<typeof UnhandledAccess>
export type Place = z.infer<typeof Place>
export type StackFrame = z.infer<typeof StackFrame>
export type Backtrace = z.infer<typeof Backtrace>
export type MachineReport = z.infer<typeof MachineReport>
