/**
 * One line of the opcode table: where it stands in the opcode maps, its operands, the handler that executes it, and
 * how it ends. The forms are described in the generator, `../generate.ts`.
 */
export type Row = readonly [where: string, operands: string, call: string, flags?: string]

/**
 * Of a table: its handlers may run on behind a fault (`../core/system/aftermath.ts`), as they ask no device, and change nothing
 * but memory, through its accessors, and of the CPU's state what stands in front of the segment registers (1), or in front
 * of the MSRs (2). Rows with `unwinds` are left out.
 */
export type GoesOn = 1 | 2

export interface Table {
  /** The rooms' files that it calls. */
  readonly from: readonly string[]
  readonly rows: readonly Row[]
  readonly goesOn?: GoesOn
}
