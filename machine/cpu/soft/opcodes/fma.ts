/** FMA3 rows (Intel SDM vol. 2, table A-4): the opcode's high digit orders the operands, its low digit says the rest. */
import type { GoesOn, Row } from './row.js'

export const goesOn: GoesOn = 2

export const from = ['fma']

const ORDERS = ['132', '213', '231']

/** From the low digit 6 on: whether it is a scalar, and what happens to product and addend. */
const FORMS: readonly [string, string][] = [
  ['packed', 'FMA_ADD_SUB'],
  ['packed', 'FMA_SUB_ADD'],
  ['packed', '0'],
  ['scalar', '0'],
  ['packed', 'FMA_NEGATE_ADDEND'],
  ['scalar', 'FMA_NEGATE_ADDEND'],
  ['packed', 'FMA_NEGATE_PRODUCT'],
  ['scalar', 'FMA_NEGATE_PRODUCT'],
  ['packed', 'FMA_NEGATE_PRODUCT | FMA_NEGATE_ADDEND'],
  ['scalar', 'FMA_NEGATE_PRODUCT | FMA_NEGATE_ADDEND'],
]

export const rows: Row[] = ORDERS.flatMap((order, high) =>
  FORMS.flatMap(([form, kind], low) =>
    ['u32', 'u64'].map((type, w): Row => {
      const opcode = ((9 + high) * 16 + 6 + low).toString(16)
      return [`vex 66 0f38 ${opcode} w${w}`, 'V,H,W', `fma_${form}<${type}>(op, ${order}, ${kind})`, 'if=fma']
    }),
  ),
)
