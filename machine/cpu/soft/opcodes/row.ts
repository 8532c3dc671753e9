/**
 * One line of the opcode table: where it stands in the opcode maps, its operands, the handler that executes it, and
 * how it ends. The forms are described in the generator, `../generate.ts`.
 */
export type Row = readonly [where: string, operands: string, call: string, flags?: string]
