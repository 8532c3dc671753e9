/** The sixteen conditions, SETcc and CMOVcc (Intel SDM vol. 2, appendix B.1.4.7). */
import { getCF, getOF, getPF, getSF, getZF } from './flags'
import { writeEa } from '../memory/memory'
import { readE, regOf, rmOf, setReg } from '../execute/operand'

/** Condition codes of Jcc, SETcc and CMOVcc (Intel SDM vol. 2, B.1.4.7). */
@inline export function condition(cc: i32): bool {
  const base = cc >> 1
  let v: bool
  if (base == 0) v = getOF()
  else if (base == 1) v = getCF() != 0
  else if (base == 2) v = getZF()
  else if (base == 3) v = getCF() != 0 || getZF()
  else if (base == 4) v = getSF()
  else if (base == 5) v = getPF()
  else if (base == 6) v = getSF() != getOF()
  else v = getZF() || getSF() != getOF()
  return cc & 1 ? !v : v
}

export function setcc(op: usize, memory: bool, cc: i32): void {
  const v = <u8>conditionOf(cc)
  if (memory) writeEa<u8>(op, v)
  else store<u8>(rmOf(op), v)
}

/** condition() for a code that is not constant. */
function conditionOf(cc: i32): bool {
  switch (cc >> 1) {
    case 0:
      return condition(0) != (cc & 1)
    case 1:
      return condition(2) != (cc & 1)
    case 2:
      return condition(4) != (cc & 1)
    case 3:
      return condition(6) != (cc & 1)
    case 4:
      return condition(8) != (cc & 1)
    case 5:
      return condition(10) != (cc & 1)
    case 6:
      return condition(12) != (cc & 1)
    default:
      return condition(14) != (cc & 1)
  }
}

export function cmovcc<T>(op: usize, memory: bool, cc: i32): void {
  const v = readE<T>(op, memory)
  const d = regOf(op)
  // Without the condition a 32-bit CMOV still clears the upper half.
  setReg<T>(d, conditionOf(cc) ? v : load<T>(d))
}
