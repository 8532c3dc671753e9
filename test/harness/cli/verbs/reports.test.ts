/** The verbs on reports, as a person runs them. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type PictureAttachment, parseRun } from '../../../../reports/run-result.js'
import { writeRun } from '../../../../reports/write-run.js'
import { pictureTest, sampleRun, sampleTest } from '../../../reports/run-sample.js'
import { bootwright } from '../command.js'

const folder = mkdtempSync(join(tmpdir(), 'reports-'))
afterAll(() => rmSync(folder, { recursive: true }))

const ODD = ['/%00', '/report.html/x', `/${'x'.repeat(300)}`, `/${'x/'.repeat(4000)}`, '/%', '/%c0%af', '/link.txt']
ODD.push('/circle', '/pipe', '/files', '/files/', '/%2e%2e/secret.txt', '/..%5csecret.txt')
const HOST = 'Host: localhost\r\n'
const RAW = [
  `POST / HTTP/1.1\r\n${HOST}Content-Length: 0\r\n`,
  `OPTIONS * HTTP/1.1\r\n${HOST}`,
  `HEAD / HTTP/1.1\r\n${HOST}`,
  'GARBAGE\r\n',
  `GET / HTTP/1.1\r\n${HOST}X: ${'x'.repeat(100_000)}\r\n`,
  `GET http://[::1 HTTP/1.1\r\n${HOST}`,
  'GET / HTTP/1.1\r\nHost: example.com\r\n',
  `GET //etc/passwd HTTP/1.1\r\n${HOST}`,
  `GET /../secret.txt HTTP/1.1\r\n${HOST}`,
]

/** What a server says to a request as it stands. */
function rawAnswer(url: string, head: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () =>
      socket.write(`${head}Connection: close\r\n\r\n`),
    )
    socket.on('data', (bytes) => {
      answer += bytes.toString()
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer))
  })
}

describe('show-report and show-trace', () => {
  test('serve on loopback until they are interrupted, and nothing beside the report', async () => {
    const report = join(folder, 'served')
    writeRun(sampleRun([await pictureTest()]), report)
    writeFileSync(join(folder, 'secret.txt'), 'secret')
    symlinkSync('../secret.txt', join(report, 'link.txt'))
    symlinkSync('circle', join(report, 'circle'))
    execFileSync('mkfifo', [join(report, 'pipe')])
    const answers: [status: number, start: string][] = []
    let asked = false
    const ended = await bootwright(['show-report', report], {
      onOutput: (text, signal) => {
        const url = /http:\/\/127\.0\.0\.1:\d+\/report\.html/.exec(text)?.[0]
        if (!url || asked) return
        asked = true
        const ask = async (path: string) => {
          const response = await fetch(new URL(path, url))
          answers.push([response.status, (await response.text()).slice(0, 15)])
        }
        void (async () => {
          for (const path of ['/', '/run.json', '/..%2fsecret.txt', '/nothing', ...ODD]) await ask(path)
          const raw = async (head: string) => {
            answers.push([Number(/^HTTP\/1\.1 (\d+)/.exec(await rawAnswer(url, head))?.[1]), 'raw'])
          }
          for (const head of RAW) await raw(head)
          await ask('/')
          signal('SIGINT')
        })()
      },
    })
    expect(answers).toEqual([
      [200, '<!doctype html>'],
      [200, expect.stringContaining('"format"')],
      [404, 'not here\n'],
      [404, 'not here\n'],
      ...ODD.map(() => [404, 'not here\n']),
      ...[405, 405, 200, 400, 431, 404, 403, 404, 404].map((status) => [status, 'raw']),
      [200, '<!doctype html>'],
    ])
    expect(ended).toMatchObject({ code: 0, stderr: '' })
  })

  test.each([
    [['show-report', '/nowhere'], /there is no report '\/nowhere'/],
    [['show-report', folder], /no run\.json in/],
    [['show-trace', '/nowhere.json'], /the trace '\/nowhere\.json' does not exist/],
    [['show-trace', folder], /is a directory/],
    [['show-trace', join(folder, 'text')], /is not JSON/],
    [['show-trace', join(folder, 'other.json')], /no trace of Bootwright/],
    [['show-report', folder, '--port', 'x'], /--port 'x' is no TCP port/],
    [['merge-reports', '/nowhere'], /there is no report '\/nowhere'/],
    [['merge-reports', folder, '--out', folder], /one of the reports to merge/],
    [['accept', '/nowhere'], /there is no report '\/nowhere'/],
  ])('%s is refused in one sentence', async (args, words) => {
    writeFileSync(join(folder, 'text'), 'text')
    writeFileSync(join(folder, 'other.json'), '{}')
    const { code, stderr } = await bootwright(args)
    expect(stderr).toMatch(words)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(code).toBe(2)
  })
})

describe('merge-reports', () => {
  test('makes one report of several', async () => {
    const [a, b, out] = ['a', 'b', 'merged'].map((name) => join(folder, name))
    writeRun(sampleRun([sampleTest({ titles: ['a'] })]), a)
    writeRun(sampleRun([sampleTest({ titles: ['b'], status: 'failed' })]), b)
    const { code, stdout } = await bootwright(['merge-reports', a, b, '--out', out])
    expect([code, stdout]).toEqual([0, expect.stringContaining('2 reports, 1 passed, 1 failed')])
    expect(parseRun(JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'))).tests).toHaveLength(2)
  })
})

describe('accept', () => {
  test('takes the actual pictures as expected, those that were asked for', async () => {
    const tree = join(folder, 'tree')
    mkdirSync(tree)
    const baseline = join(tree, 'login.png')
    writeFileSync(baseline, 'old')
    const picture = await pictureTest()
    const attachment = picture.attachments[0] as PictureAttachment
    const tests = [
      { ...picture, attachments: [{ ...attachment, baseline }] },
      sampleTest({
        titles: ['same'],
        attachments: [{ ...attachment, status: 'matched', baseline: join(tree, 'x.png') }],
      }),
    ]
    const report = join(folder, 'differing')
    writeRun(sampleRun(tests), report)

    const none = await bootwright(['accept', report, '--test', 'other'])
    expect([none.code, none.stdout]).toEqual([0, 'there is no picture to accept: none differs and none is missing\n'])
    const dry = await bootwright(['accept', report, '--dry-run'])
    expect(dry.stdout).toMatch(/^would write .*login\.png\n$/)
    expect(readFileSync(baseline, 'utf8')).toBe('old')
    const done = await bootwright(['accept', report, '--test', 'SAME'])
    expect([done.code, done.stdout]).toEqual([0, expect.stringMatching(/^wrote .*login\.png\n$/)])
    expect(readFileSync(baseline).toString('base64')).toBe(attachment.actual?.data)
    expect(readdirSync(tree)).toEqual(['login.png'])
  })

  test('does not make folders for a report of another machine, or write anything but pictures', async () => {
    const picture = await pictureTest()
    for (const [name, baseline, words] of [
      ['elsewhere', '/nowhere/at/all/login.png', /made on another machine/],
      ['no-png', join(folder, 'script.sh'), /is no PNG file/],
    ] as const) {
      const report = join(folder, name)
      writeRun(
        sampleRun([{ ...picture, attachments: [{ ...(picture.attachments[0] as PictureAttachment), baseline }] }]),
        report,
      )
      const { code, stderr } = await bootwright(['accept', report])
      expect([code, stderr]).toEqual([2, expect.stringMatching(words)])
    }
  })
})
