/** Numeric errors through IRQ 13 and port F0h: the device by itself, then a whole PC with CR0.NE clear. */
import { afterAll, describe, expect, test } from 'vitest'
import { CoprocessorError } from '../../../machine/chipset/coprocessor-error.js'
import { loadState, saveState } from '../../../machine/state/state-table.js'
import { Random } from '../../random.js'
import { randomSlices, runTo, type Slice, slicesOf } from '../../slices.js'
import { assemble, haveNasm } from '../cpu/driver.js'
import { type BarePc, barePc, firmware } from '../state/bare-pc.js'

describe('port F0h', () => {
  const make = () => {
    const seen: string[] = []
    const device = new CoprocessorError(
      (level) => seen.push(`irq13 ${level ? 1 : 0}`),
      (level) => seen.push(`ignne ${level ? 1 : 0}`),
    )
    return { device, seen, write: () => device.ports[0].write(0, 0, 1) }
  }

  test('takes IRQ 13 back and asserts IGNNE# until FERR# falls', () => {
    const { device, seen, write } = make()
    device.error(true)
    write()
    device.error(false)
    expect(seen).toEqual(['irq13 1', 'irq13 0', 'ignne 1', 'ignne 0', 'irq13 0'])
  })

  test('asserts nothing where no error is pending', () => {
    const { seen, write } = make()
    write()
    expect(seen).toEqual(['irq13 0'])
  })

  test('IGNNE# is in the state', () => {
    const one = make()
    one.device.error(true)
    one.write()
    const other = make()
    loadState(other.device, saveState(one.device))
    expect(other.seen).toEqual(['ignne 1'])
  })
})

/** IRQ 13's handler notes AX and what FSTP has not stored; DX says whether it writes port F0h, BX whether it clears the error. */
const BIOS = `
bits 16
org 0
times 0xe000 - ($ - $$) db 0
start: cli
  xor ax, ax
  mov ds, ax
  mov ss, ax
  mov sp, 0x7000
  mov word [0x75 * 4], irq13
  mov word [0x75 * 4 + 2], 0xf000
  mov word [8 * 4], tick
  mov word [8 * 4 + 2], 0xf000
  %macro set 2
    mov al, %2
    out %1, al
  %endmacro
  set 0x20, 0x11
  set 0xa0, 0x11
  set 0x21, 8
  set 0x21, 4
  set 0x21, 1
  set 0x21, 0xfa       ; the timer and the cascade
  set 0xa1, 0x70
  set 0xa1, 2
  set 0xa1, 1
  set 0xa1, 0xdf       ; IRQ 13
  set 0x43, 0x34
  set 0x40, 0
  set 0x40, 16
  mov dword [0x600], 0x1234
  mov word [0x610], 0x37b
  fninit
  fldcw [0x610]        ; division by zero
  sti
  WAY
  cli
  mov byte [0x620], 1
done: hlt
  jmp done
irq13:
  push ax
  inc byte [0x621]
  mov eax, [0x600]
  mov [0x624], eax
  fnstsw [0x628]
  HANDLER
  set 0xa0, 0x20
  set 0x20, 0x20
  pop ax
  iret
tick:
  push ax
  inc word [0x62a]
  set 0x20, 0x20
  pop ax
  iret
times 0xfff0 - ($ - $$) db 0
  jmp 0xf000:start
times 0x10000 - ($ - $$) db 0`

const machines: BarePc[] = []
afterAll(() => {
  for (const { pc } of machines) pc.close()
})

/** What is at 600h when the program has ended or waits, 20 ms on. */
function run(way: string, handler: string, slice?: Slice) {
  const bios = assemble(BIOS.replace('WAY', way).replace('HANDLER', handler))
  const m = barePc({ firmware: { ...firmware(), bios } })
  machines.push(m)
  runTo(m.pc, 20e6, slice)
  const { memory } = m
  return {
    done: memory.read8(0x620),
    errors: memory.read8(0x621),
    atError: memory.read32(0x624),
    status: memory.read16(0x628),
    ticks: memory.read16(0x62a),
    stored: memory.read32(0x600),
    hash: m.pc.fingerprint(),
  }
}

const DIVIDE = 'fld1\nfldz\nfdivp'

describe.skipIf(!haveNasm)('with CR0.NE clear an unmasked exception', () => {
  test('comes as IRQ 13 before a waiting instruction stores, which goes on when it is cleared', () => {
    expect(run(`${DIVIDE}\nfstp dword [0x600]`, 'fnclex')).toMatchObject({
      done: 1,
      errors: 1,
      atError: 0x1234,
      stored: 0,
    })
  })

  test('is passed over after a write to port F0h, though it stays', () => {
    const { done, errors, status, stored } = run(`${DIVIDE}\nfstp dword [0x600]`, 'set 0xf0, 0')
    expect({ done, errors, stored }).toEqual({ done: 1, errors: 1, stored: 0 })
    expect(status & 0x8084).toBe(0x8084)
  })

  test('freezes the CPU in front of the next waiting instruction while IRQ 13 is masked, and other interrupts come', () => {
    const frozen = run(`set 0xa1, 0xff\n${DIVIDE}\nfstp dword [0x600]`, 'fnclex')
    expect(frozen).toMatchObject({ done: 0, errors: 0, stored: 0x1234 })
    expect(frozen.ticks).toBeGreaterThan(4)
  })

  test('freezes it for good where the handler does neither', () => {
    expect(run(`${DIVIDE}\nfstp dword [0x600]`, '')).toMatchObject({ done: 0, errors: 1, stored: 0x1234 })
  })

  test('freezes it for good with interrupts disabled, which is told', () => {
    const bios = assemble(BIOS.replace('WAY', `cli\n${DIVIDE}\nfstp dword [0x600]`).replace('HANDLER', ''))
    const { pc } = barePc({ firmware: { ...firmware(), bios } })
    const exit = pc.run(20e6)
    pc.close()
    expect(exit).toMatchObject({ reason: 'halted', detail: expect.stringMatching(/x87 exception is pending.*IRQ 13/) })
  })

  test('lets instructions that do not wait go on, and FNCLEX ends it', () => {
    const way = `set 0xa1, 0xff\n${DIVIDE}\nfnstsw ax\nfnclex\nfstp dword [0x600]`
    expect(run(way, '')).toMatchObject({ done: 1, errors: 0, stored: 0 })
  })

  test('goes the same way in slices', () => {
    for (const [way, handler] of [
      [`${DIVIDE}\nfstp dword [0x600]`, 'set 0xf0, 0'],
      [`set 0xa1, 0xff\n${DIVIDE}\nfwait`, 'fnclex'],
    ]) {
      const whole = run(way, handler)
      for (const slice of [slicesOf(1), slicesOf(3), randomSlices(new Random(5))])
        expect(run(way, handler, slice)).toEqual(whole)
    }
  })
})
