/**
 * KolibriOS's own drivers, started by its user: each card gets a lease, finds a name and pings. BOOTWRIGHT_SHOTS=folder
 * keeps a picture of each.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import kolibri from '../../guests/kolibri/guest.js'
import { launch } from '../../harness/vm/launch.js'
import { withoutMedia } from './media-here.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-kolibri-'))
afterAll(() => rmSync(folder, { recursive: true }))
const isMissing = await withoutMedia(kolibri)

/** Steps of this size and at this pace are not accelerated. */
const moved = (dx: number, dy: number) => `<mouse ${5 * Math.sign(dx)},${5 * Math.sign(dy)}><wait200ms>`
const moves = (dx: number, dy: number) => moved(dx, 0).repeat(Math.abs(dx) / 5) + moved(0, dy).repeat(Math.abs(dy) / 5)
/** Its console forgets keys that come faster. */
const slowly = (text: string) => [...text].map((letter) => `${letter}<wait300ms>`).join('')
const presses = (key: string, count: number) => `<${key}><wait300ms>`.repeat(count)

describe.each(['e1000', 'pcnet', 'rtl8139', 'ne2k_pci'])('%s', (type) => {
  test.skipIf(isMissing)('is driven by KolibriOS', async () => {
    const pcap = join(folder, `${type}.pcap`)
    const nic = `${type},romfile=,pcap=${pcap}`
    const vm = await launch({ guest: kolibri, engine: 'soft', nic, timeout: '10m', hostTimeout: '25m' })
    try {
      await vm.bootCommand([
        "<wait 'version 0\\.7\\.7'><enter><wait60>",
        // The file manager's icon, the folder NETWORK, and the program NETCFG.
        `<mouse -1000,-1000><wait1>${moves(35, 30)}<click left><wait3>`,
        `${presses('down', 9)}<enter><wait2>${presses('down', 5)}<enter><wait5>`,
        // Its list has one card, and a button starts it.
        `${moves(65, 185)}<click left><wait1><click left><wait1>${moves(0, -70)}<click left><wait1><click left><wait5>`,
        // Back to the file manager, to ZEROCONF and to PING.
        `${moves(0, -95)}<click left><wait1>${presses('down', 10)}<enter><wait10>`,
        `${presses('up', 6)}<enter><wait4>${slowly('gateway.lan.internal')}<enter><wait10>`,
      ])
      const { BOOTWRIGHT_SHOTS: shots } = process.env
      if (shots) writeFileSync(join(shots, `kolibri-${type}.png`), await vm.screen.png())
      const requests = (await vm.network.requests()).map(({ protocol, what }) => `${protocol} ${what}`)
      expect(requests).toEqual(expect.arrayContaining(['dhcp DISCOVER', 'dhcp REQUEST', 'dns A gateway.lan.internal']))
    } finally {
      await vm.close()
    }
    expect(echoes(readFileSync(pcap))).toEqual({ asked: 4, answered: 4 })
  })
})

/** ICMP's, of a capture. */
function echoes(capture: Buffer) {
  const counts = { asked: 0, answered: 0 }
  for (let at = 24; at < capture.length; at += 16 + capture.readUInt32LE(at + 8)) {
    const frame = capture.subarray(at + 16)
    if (frame.readUInt16BE(12) !== 0x0800 || frame[23] !== 1) continue
    if (frame[34] === 8) counts.asked++
    if (frame[34] === 0) counts.answered++
  }
  return counts
}
