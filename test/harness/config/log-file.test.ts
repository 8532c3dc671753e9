import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { LogFile } from '../../../harness/config/log-file.js'

test.runIf(existsSync('/dev/full'))('a log that the disk has no room for says where it ends, once', () => {
  const kept = LogFile.open({ items: 'unassigned', path: '/dev/full' })
  kept.log.unassigned('port', true, 0x80)
  expect(kept.failure).toBeUndefined()
  kept.flush()
  kept.log.unassigned('port', true, 0x80)
  kept.close()
  expect(kept.failure).toBe('the log ends early: the disk is full; make room, or name another file')
})
