/** CPUs' registers as fields, of the text that `machine/cpu/registers.ts` writes of them. */

/** `0x` and as many digits as the register has. */
type Value = string

export interface SegmentFields {
  selector: Value
  base: Value
  limit: Value
  access: Value
}

/** `eax` or `rax`, `eip`, `eflags`, `cs` and the other segments, `gdt`, `idt`, `cr0` …, and `halted` where the CPU is. */
export interface RegisterFields {
  [name: string]: Value | boolean | SegmentFields | { base: Value; limit: Value }
}

const SEGMENT = /^(LDT|\w\w) ?=([0-9a-f]+) base=([0-9a-f]+) limit=([0-9a-f]+) access=([0-9a-f]+)/i
const TABLE = /\b(GDT|IDT)=([0-9a-f]+):([0-9a-f]+)/gi
const REGISTER = /\b([A-Z][A-Z0-9]*) *=([0-9a-f]+)\b(?!:)/gi

/** Of each CPU of a machine, the bootstrap processor's first. */
export function registerFieldsOfEach(text: string | undefined): RegisterFields[] {
  return (text ?? '').split(/^CPU \d+:$/m).flatMap((one) => (one.trim() ? [registerFields(one)] : []))
}

/** Of one CPU. */
export function registerFields(text: string): RegisterFields {
  const fields: RegisterFields = {}
  for (const line of text.split('\n').map((one) => one.trim())) {
    const segment = SEGMENT.exec(line)
    if (segment) {
      const [, name, ...parts] = segment
      const [selector, base, limit, access] = parts.map(hex)
      fields[name.toLowerCase()] = { selector, base, limit, access }
      continue
    }
    for (const [, name, base, limit] of line.matchAll(TABLE))
      fields[name.toLowerCase()] = { base: hex(base), limit: hex(limit) }
    for (const [, name, value] of line.replace(TABLE, '').matchAll(REGISTER)) fields[name.toLowerCase()] = hex(value)
    if (/\bhalted\b/.test(line)) fields.halted = true
  }
  return fields
}

function hex(digits: string): Value {
  return `0x${digits.toLowerCase()}`
}
