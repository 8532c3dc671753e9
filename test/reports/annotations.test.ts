import { expect, test } from 'vitest'
import { annotations } from '../../reports/annotations.js'
import { sampleRun } from './run-sample.js'

test('a failure is a command of GitHub, at the line of the test that failed', () => {
  const run = sampleRun()
  const [first] = run.tests.filter(({ status }) => status === 'failed')
  const message = 'waited 1 s: 100 %\n\nlast screen:\n  | C:\\>'
  first.file = 'test/a,b.test.ts'
  first.titles = ['boots: at once']
  first.errors = [
    { message, stack: `Error: ${message}\n    at helper (/p/test/help.ts:1:1)\n    at /p/test/a,b.test.ts:12:5` },
  ]
  run.tests = [first]
  run.errors = [{ message: 'no\nworker' }]
  expect(annotations(run, '/p')).toBe(
    '::error file=test/a%2Cb.test.ts,line=12,col=5,title=boots%3A at once::waited 1 s: 100 %25%0A%0Alast screen:%0A  | C:\\>\n' +
      '::error title=outside any test::no%0Aworker\n',
  )
})
