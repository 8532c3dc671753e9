import { expect, test } from 'vitest'
import { IrqRouter } from '../../../machine/chipset/irq-router.js'
import { loadState, saveState } from '../../../machine/state/state-table.js'

function setup() {
  const log: string[] = []
  const router = new IrqRouter({
    pic: (irq, level) => log.push(`pic${irq}${level ? '+' : '-'}`),
    ioapic: (pin, level) => log.push(`io${pin}${level ? '+' : '-'}`),
  })
  return { router, log }
}

test('an ISA IRQ reaches both controllers, and IRQ 0 the I/O APIC at pin 2', () => {
  const { router, log } = setup()
  router.source(4, 'a')(true)
  const pit = router.source(0, 'pit')
  pit(true)
  pit(false)
  router.source(2, 'a')(true)
  expect(log).toEqual(['pic4+', 'io4+', 'pic0+', 'io2+', 'pic0-', 'io2-', 'pic2+'])
})

test('interrupts above 15 reach the I/O APIC alone', () => {
  const { router, log } = setup()
  router.source(20, 'a')(true)
  expect(log).toEqual(['io20+'])
  expect(() => router.source(24, 'a')).toThrow('no interrupt 24')
  expect(() => router.source(20, 'a')).toThrow('named a')
})

test('sources of one interrupt are OR-ed, and repeating a level does nothing', () => {
  const { router, log } = setup()
  const a = router.source(11, 'a')
  const b = router.source(11, 'b')
  a(true)
  a(true)
  b(true)
  a(false)
  a(false)
  expect(router.level(11)).toBe(true)
  expect(log).toEqual(['pic11+', 'io11+'])
  b(false)
  expect(log).toEqual(['pic11+', 'io11+', 'pic11-', 'io11-'])
})

test('a restore with an interrupt pending drives nothing and goes on where it was', () => {
  const first = setup()
  const [a1, b1] = [first.router.source(10, 'a'), first.router.source(10, 'b')]
  a1(true)
  b1(true)
  const saved = saveState(first.router)

  const second = setup()
  const [a2, b2] = [second.router.source(10, 'a'), second.router.source(10, 'b')]
  loadState(second.router, saved)
  expect(second.log).toEqual([])
  a2(true)
  b2(false)
  expect(second.log).toEqual([])
  a2(false)
  expect(second.log).toEqual(['pic10-', 'io10-'])
})

test('a source that is plugged in anew does not shift the others', () => {
  const first = setup()
  const b1 = first.router.source(10, 'b')
  b1(true)
  const saved = saveState(first.router)
  const second = setup()
  const [a2, b2] = [second.router.source(10, 'a'), second.router.source(10, 'b')]
  loadState(second.router, saved)
  a2(true)
  a2(false)
  expect(second.log).toEqual([])
  b2(false)
  expect(second.log).toEqual(['pic10-', 'io10-'])
})
