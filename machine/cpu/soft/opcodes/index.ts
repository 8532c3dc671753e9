/** The opcode table, by theme. */
import * as avx from './avx.js'
import * as bits from './bits.js'
import * as fma from './fma.js'
import * as integer from './integer.js'
import * as mmx from './mmx.js'
import type { Table } from './row.js'
import * as sse from './sse.js'
import * as sseLater from './sse-later.js'
import * as system from './system.js'
import * as x87 from './x87.js'

export const tables: readonly Table[] = [integer, system, x87, mmx, sse, sseLater, bits, avx, fma]
