/**
 * What a snapshot file says beside the machine: how far the script's runner was (`runtime/runner.ts`), and what the
 * machine's holder knew of it (`vm/snapshots.ts`). Anybody may have written the file.
 */
import * as z from 'zod'
import { UnhandledAccess } from '../../machine/report.js'

const Count = z.int().min(0)
const Text = z.string().max(64 << 20)
const Line = z.string().max(1 << 16)

const Exit = z.object({
  reason: z.enum(['poweroff', 'reset', 'triple-fault', 'debug-exit', 'watchdog', 'halted', 'suspended', 'failure']),
  code: Count.optional(),
  action: z.enum(['reset', 'poweroff', 'pause']).optional(),
  detail: Line.optional(),
})

const Cell = z.object({
  code: z.int().min(0).max(255),
  foreground: z.int().min(0).max(15),
  background: z.int().min(0).max(15),
  blink: z.boolean(),
})
const Cells = z
  .object({
    columns: z.int().min(0).max(1024),
    rows: z.int().min(0).max(1024),
    cells: z.array(Cell).max(1 << 20),
    cursor: z.object({ column: Count, row: Count }).optional(),
  })
  .refine(({ columns, rows, cells }) => cells.length === columns * rows, 'rows × columns make another count of cells')
const Pixels = z.int().min(0).max(16384)
const Mode = z.object({
  kind: z.enum(['text', 'graphics', 'off']),
  width: Pixels,
  height: Pixels,
  columns: Pixels,
  rows: Pixels,
  depth: z.int().min(0).max(32),
})
const Seen = z.object({ mode: Mode, text: Text.optional(), cells: Cells.optional() })

const Output = z.object({ text: Text, consumed: Count })
const Log = z.object({
  bytes: Count,
  raw: Output,
  plain: Output,
  escape: Line,
  hasControls: z.boolean(),
  partial: z.array(z.int().min(0).max(255)).max(8),
})

/** JSON in a text, as plain data of a schema. */
function json<T extends z.ZodType>(schema: T) {
  return z.string().refine((text) => {
    try {
      return schema.safeParse(JSON.parse(text)).success
    } catch {
      return false
    }
  }, 'it is not what is written there')
}

export const SavedRunner = z.object({
  /** Of COM1 to COM4, and the debug console. */
  logs: z.array(Log).max(5),
  typist: z.object({ buttons: z.int().min(0).max(31), leavesKeys: z.boolean().optional() }),
  resets: Count,
  hostInput: z.boolean(),
  unclaimed: Exit.nullish(),
  screens: z.object({ seen: z.union([z.literal('shown'), Seen]).nullable(), seenBeforeReset: Seen.nullable() }),
  firmware: json(
    z.tuple([z.array(UnhandledAccess).max(4096).nullable(), z.array(UnhandledAccess).max(4096)]),
  ).optional(),
})

const Font = z.object({
  name: Line,
  height: z.int().min(1).max(64),
  advance: z.int().min(1).max(64).optional(),
  space: z.int().min(0).max(64),
  glyphs: z
    .array(z.object({ character: z.string().max(16), width: z.int().min(1).max(32), rows: z.array(Count).max(64) }))
    .max(1 << 16),
})
const Event = z.object({ timeNs: z.number(), kind: z.enum(['o', 'i']), text: Text })

export const SavedHolder = z.object({
  serial: z.array(z.object({ bytes: z.instanceof(Uint8Array), events: json(z.array(Event)) })).max(4),
  rest: json(
    z.object({
      fonts: z.array(Font).max(64),
      exit: z.object({ reason: Line, code: Count.optional(), detail: Line.optional() }).optional(),
      debugConsole: Text.optional(),
    }),
  ),
})
