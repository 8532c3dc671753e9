/** A small matrix with one cell of each kind, for the renderers' tests. */
import type { MatrixResult } from '../../reports/matrix/matrix-result.js'

/** A PNG of one pixel. */
export const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

export function sampleMatrix(png = PIXEL): MatrixResult {
  const screenshot = { png, width: 720, height: 400, mode: 'text 80×25' }
  return {
    format: 'bootwright-matrix',
    version: 1,
    run: {
      date: '2026-11-22T16:30:00.000Z',
      durationMs: 75_400,
      host: { os: 'Linux 6.1.0', arch: 'x64', cpu: 'Some CPU <fast> & cheap', cores: 2, node: '20.19.2' },
      bootwright: { version: '0.1.0', commit: 'abc1234' },
      firmware: 'SeaBIOS 1.16.2',
    },
    guests: [
      {
        name: 'freedos',
        title: 'FreeDOS',
        family: 'DOS',
        licence: 'GPL-2.0',
        media: ['freedos722.img'],
        levels: ['loader', 'kernel', 'userland'],
      },
      {
        name: 'broken',
        title: 'Broken | <OS>',
        family: 'hobby',
        licence: 'MIT',
        media: ['broken.img'],
        levels: ['loader', 'kernel'],
      },
      { name: 'absent', title: 'Absent OS', family: 'BSD', licence: 'BSD', media: ['absent.img'], levels: ['kernel'] },
    ],
    engines: [{ id: 'soft', title: 'soft' }],
    devices: [{ id: 'default', title: 'standard PC' }],
    cells: [
      {
        guest: 'freedos',
        engine: 'soft',
        device: 'default',
        status: 'passed',
        level: 'userland',
        levels: [
          {
            name: 'loader',
            title: 'its kernel’s first line',
            status: 'passed',
            guestTimeNs: 1.2e9,
            hostTimeMs: 900,
            instructions: 12_000_000,
            evidence: { screenshot, text: 'FreeDOS kernel' },
          },
          {
            name: 'kernel',
            title: 'the prompt A:\\>',
            status: 'passed',
            guestTimeNs: 3.4e9,
            hostTimeMs: 2900,
            instructions: 92_000_000,
            evidence: { screenshot, text: 'A:\\>' },
          },
          {
            name: 'userland',
            title: '`dir` lists the disk',
            status: 'passed',
            guestTimeNs: 4.1e9,
            hostTimeMs: 3300,
            instructions: 112_345_678,
            evidence: { screenshot, text: 'bytes free\n\nA:\\>', serial: '' },
          },
        ],
        guestTimeNs: 4.1e9,
        hostTimeMs: 3300,
        instructions: 112_345_678,
        unhandled: [{ kind: 'port', address: 0x3e8, name: 'COM3', reads: 2, writes: 12 }],
      },
      {
        guest: 'broken',
        engine: 'soft',
        device: 'default',
        status: 'failed',
        level: 'loader',
        reason: 'kernel: the text /login:/ was not seen within 60.0 s of host time.',
        exit: { reason: 'triple-fault', detail: 'EIP=00100000' },
        levels: [
          { name: 'loader', title: 'its banner', status: 'passed', guestTimeNs: 1e9, evidence: { screenshot } },
          {
            name: 'kernel',
            title: 'a login',
            status: 'failed',
            reason: 'not seen',
            evidence: { screenshot, text: '<script>alert(1)</script>', serial: 'panic: `oops`\u001b[0m' },
          },
        ],
        registers: 'EAX=00000000',
      },
      {
        guest: 'absent',
        engine: 'soft',
        device: 'default',
        status: 'skipped',
        reason: 'absent.img is missing: set BOOTWRIGHT_IMAGES to a folder that has it.',
        levels: [],
      },
    ],
  }
}
