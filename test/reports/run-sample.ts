/** A run with a test of each kind, and one of many tests, for the renderers and the page. */
import sharp from 'sharp'
import { type RunResult, type TestResult, testId } from '../../reports/run-result.js'

export function sampleTest(test: Partial<TestResult> & Pick<TestResult, 'titles'>): TestResult {
  const full = {
    file: 'test/login.test.ts',
    status: 'passed',
    retries: 0,
    hostMs: 1234,
    errors: [],
    attachments: [],
    ...test,
  }
  return { ...full, id: testId(full) } as TestResult
}

export function sampleRun(tests: TestResult[] = sampleTests(), date = '2026-11-22T16:30:00.000Z'): RunResult {
  return {
    format: 'bootwright-run',
    version: 1,
    run: {
      date,
      durationMs: 75_400,
      bootwright: { version: '0.1.0', commit: 'abc1234' },
      host: { os: 'Linux 6.1.0', arch: 'x64', cpu: 'Some CPU <fast> & cheap', cores: 2, node: '20.19.2' },
      commit: 'def5678',
    },
    errors: [],
    tests,
  }
}

const CAST = [
  '{"version":2,"width":40,"height":6}',
  '[0.5,"o","Booting \\u001b[32;1mfine\\u001b[0m\\r\\n"]',
  '[2.25,"o","login: "]',
].join('\n')

export function sampleTests(): TestResult[] {
  return [
    sampleTest({ titles: ['login', 'shows a prompt'], guestTimeNs: 12.3e9, line: 12 }),
    sampleTest({
      titles: ['login', 'looks as ever | # <b>'],
      status: 'failed',
      errors: [
        {
          message: 'the screen differs from login.png\x1b[0m',
          stack: 'Error: the screen\n    at x.ts:1',
          diff: '- a\n+ b',
        },
      ],
      attachments: [
        { kind: 'asciicast', name: 'COM1', file: { type: 'application/x-asciicast', data: base64(CAST) } },
        { kind: 'text', name: 'registers', file: { type: 'text/plain', data: base64('EIP=<0>') } },
      ],
    }),
    sampleTest({ titles: ['goes on a second try'], status: 'flaky', retries: 1, file: 'test/flaky.test.ts' }),
    sampleTest({ titles: ['needs media'], status: 'skipped', reason: 'no image', file: 'test/flaky.test.ts' }),
  ]
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

/** A picture with a box in it, as base64. */
export async function picture(x: number, colour: string): Promise<string> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="640" height="400"><rect width="640" height="400" fill="#00a"/><rect x="${x}" y="60" width="180" height="90" fill="${colour}"/><text x="30" y="340" fill="#fff" font-size="42">login:</text></svg>`
  return (await sharp(Buffer.from(svg)).png().toBuffer()).toString('base64')
}

/** Another `seed` gives other pictures. */
export async function pictureTest(seed = 0): Promise<TestResult> {
  const file = async (x: number, colour: string) => ({ type: 'image/png', data: await picture(x, colour) })
  return sampleTest({
    titles: ['screen', 'is the same'],
    file: 'test/screen.test.ts',
    status: 'failed',
    errors: [{ message: '3 pixels differ' }],
    attachments: [
      {
        kind: 'picture',
        name: 'login.png',
        status: 'different',
        expected: await file(40 + seed, '#fff'),
        actual: await file(60 + seed, '#ff0'),
        diff: await file(50 + seed, '#f00'),
        differentPixels: 3,
        baseline: '/nowhere/login.png',
      },
    ],
  })
}
