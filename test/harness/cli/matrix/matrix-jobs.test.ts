import { afterEach, expect, test, vi } from 'vitest'
import { type Job, runJobs } from '../../../../harness/cli/matrix/matrix-jobs.js'
import type { Guest } from '../../../../harness/guest/guest.js'

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

test('a guest that waited for its worker tells nothing before it has been booted for ten seconds', async () => {
  vi.useFakeTimers()
  const said: string[] = []
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(String(text)) > 0)
  vi.spyOn(console, 'log').mockImplementation(() => {})
  const job: Job = { guest: {} as Guest, engine: 'soft', named: 'x', title: 'X', leftOut: false }
  const now = { guestTimeNs: 1e9, instructions: 1e6, hostMs: 1000, lastLine: 'booting' }
  const cell = { guest: 'x', engine: 'soft', device: 'default', status: 'passed' as const, levels: [] }
  await runJobs([job], async (_, { progress }) => {
    for (const wait of [60_000, 9000, 2000]) {
      vi.advanceTimersByTime(wait)
      progress({ name: 'kernel' }, now, 'elsewhere')
      if (wait > 2000) expect(said).toEqual([])
    }
    return cell
  })
  expect(said).toEqual([expect.stringMatching(/^bootwright: X: on elsewhere: kernel\? 1\.0 s .*booting\n$/)])
})
