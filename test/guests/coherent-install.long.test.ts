/**
 * Coherent 4.2.10 installed from its four floppies onto an empty disk: it asks some fifty questions, links its own kernel
 * on the way, and boots from the disk twice.
 */
import { describe } from 'vitest'
import coherent from '../../guests/coherent/guest.js'
import { findMedium, image } from '../../harness/guest/guest-media.js'
import { expect, stage, test } from '../../harness/vitest/index.js'
import type { Vm } from '../../harness/vm/vm.js'

const floppy = (number: number) => image(`coherent-4.2.10-d${number}.img`)
/** As its sources have it (mwc/romana/relic/a/etc/serialno). */
const SERIAL_NUMBER = '127417124'

/** The questions in their order, by how they end, with their answers. */
const PARTITION: readonly (readonly [question: RegExp, answer: string])[] = [
  [/please type "begin"\.\s*\?/, 'begin'],
  [/Northbrook[\s\S]*to continue\.\.\./, ''],
  [/serial number from the card:/, SERIAL_NUMBER],
  [/Enter your choice:/, '1'],
  [/Use NORMAL polling \[y or n\]\?/, 'y'],
  [/number of non-SCSI hard drives:/, '1'],
  [/IBM PS1 or ValuePoint\? \[y or n\]\?/, 'n'],
  [/atcon attached[^\n]*\s*Hit <Enter> to continue\.\.\./, ''],
  [/data onto diskettes\.\s*Hit <Enter> to continue\.\.\./, ''],
  [/COHERENT master boot \[y or n\]\?/, 'y'],
  [/Now hit <Enter>\./, ''],
  [/Hit <Enter> to continue\.\.\./, ''],
  [/above values are correct \[y or n\]\?/, 'y'],
  [/zeroing the partition table \[y or n\]\?/, 'n'],
  [/Action \[0\]\?/, '2'],
  [/Which partition \[0\]\?/, '0'],
  [/bases in cylinders \[y or n\]\?/, 'n'],
  [/partition sizes in tracks \[y or n\]\?/, 'y'],
  [/be a COHERENT partition \[y or n\]\?/, 'y'],
  [/Base track \[1\]\?/, ''],
  [/Partition size in tracks \[\d+\]\?/, ''],
  [/Action \[0\]\?/, '1'],
  [/make a partition active \[y or n\]\?/, 'y'],
  [/Active partition \[0\]\?/, '0'],
  [/Action \[0\]\?/, '0'],
  [/write the updated partition table \[y or n\]\?/, 'y'],
  [/Hit <Enter> to continue\.\.\./, ''],
  [/for bad blocks \[y or n\]\?/, 'n'],
  [/filesystem on partition 0 \[y or n\]\?/, 'y'],
  [/Hit <Enter> to continue\.\.\./, ''],
  [/halt system\. +Hit <Enter> \.\.\./, ''],
]

/** What is no question with a default, from the second floppy on; the first that fits is taken. */
const CONFIGURE: readonly (readonly [question: RegExp, answer: string])[] = [
  [/retry disk \d/, 'r'],
  [/for \/dev\/modem \?$/, '1'],
  [/virtual consoles\? \[y or n\]$/, 'n'],
  [/daylight savings time conversion \[y or n\]\?$/, 'n'],
  [/Is this correct \[y or n\]\?$/, 'y'],
  [/Timezone code:$/, '1'],
  [/site name for this system:$/, 'cohere'],
  [/domain name for this system:$/, ''],
  [/choose an option:$/, '1'],
  [/laser printer\? \[y\/n\]$/, 'n'],
  [/blank line to finish adding users \?$/, ''],
  [/U\.S\. 101-key AT keyboard table$/, ''],
  // What has a default.
  [/(\?|:) \[[^\]]*\]$/, ''],
]

async function reply(vm: Vm, question: RegExp, answer: string): Promise<void> {
  await expect(vm.screen).toHaveText(new RegExp(`${question.source}(?![\\s\\S]*\\S)`), { timeout: '5m' })
  await vm.keyboard.type(`${answer}\n`)
  await vm.wait('1s')
}

/** Answers what comes, and changes floppies, until it wants to begin anew. */
async function configure(vm: Vm): Promise<void> {
  for (let before = ''; ; ) {
    await vm.wait('4s')
    const screen = (await vm.screen.text()).trimEnd()
    const last = screen.slice(screen.lastIndexOf('\n') + 1).trim()
    // It still writes, or works.
    const isMoving = screen !== before
    before = screen
    if (isMoving) continue
    if (/halt system\. +Hit <Enter>/.test(last)) return
    const wanted = /^Insert disk (\d)/.exec(last)
    const [, answer] = CONFIGURE.find(([question]) => question.test(last)) ?? []
    if (wanted) await vm.media.swap('a', floppy(Number(wanted[1])))
    if (wanted || answer !== undefined) await vm.keyboard.type(`${answer ?? ''}\n`)
    before = ''
  }
}

const machine = { guest: coherent, engine: 'soft', hostTimeout: '30m', timeout: '30m' } as const

const partitioned = stage('coherent-partitioned', machine, async (vm) => {
  for (const [question, answer] of PARTITION) await reply(vm, question, answer)
  await expect(vm.screen).toHaveText('please type "begin"')
  await vm.media.eject('a')
  await vm.power.reset()
  await expect(vm.screen).toHaveText('Insert disk 2 into the drive')
})

const installed = stage('coherent-installed', { from: partitioned, hostTimeout: '30m', timeout: '30m' }, async (vm) => {
  await configure(vm)
  await vm.media.eject('a')
  await vm.keyboard.type('\n')
  await expect(vm.screen).toHaveText('Coherent 386 login:')
})

const isHere = await Promise.all([1, 2, 3, 4].map((number) => findMedium(floppy(number)))).then(
  () => true,
  () => false,
)

describe.skipIf(!isHere)('Coherent', () => {
  test.from(installed)('boots from its disk, and answers ls', async ({ vm }) => {
    await vm.keyboard.type('root\n')
    await vm.wait('3s')
    await vm.keyboard.type('ls\n')
    await expect(vm.screen).toHaveText(/^coherent$[\s\S]*^usr$/)
  })
})
