import { expect, test } from 'vitest'
import { Driver } from './driver.js'

function numbers(driver: Driver, ...lengths: number[]): number[] {
  driver.add(0, [], lengths)
  const [given] = driver.given(0)
  return driver.contents(given)
}

test('the same numbers each time, in buffers of any length, and a copy goes on with the next ones', () => {
  const one = new Driver('virtio-rng-pci', true).start([], 1)
  const first = numbers(one, 7, 33)
  expect(first).toHaveLength(40)
  expect(new Set(first).size).toBeGreaterThan(25)
  const copy = new Driver('virtio-rng-pci', true).start([], 1)
  expect(numbers(copy, 40)).toEqual(first)
  const saved = one.card.save()
  const next = numbers(one, 16)
  expect(next).not.toEqual(first.slice(0, 16))
  const third = new Driver('virtio-rng-pci', true).start([], 1)
  third.card.load(saved, one.card)
  third.start([], 1)
  expect(numbers(third, 16)).toEqual(next)
})

test('a request for more memory than there is gets a bounded answer', () => {
  const driver = new Driver('virtio-rng-pci', false).start([], 1)
  driver.descriptor(0, 0, 0x60000, 0xffff_ffff, 2)
  driver.offer(0, 0)
  expect(driver.given(0)).toEqual([{ head: 0, written: 4096 }])
})
