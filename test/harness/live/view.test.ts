/** The live view as people meet it: the command, its page in Chromium, and what may not come in. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { firmwareNote, noFirmware } from '../../firmware-here.js'
import { executablePath, launchChromium } from '../../reports/chromium.js'
import { programFloppy } from '../boot-programs.js'
import { bootwright } from '../cli/command.js'
import { type LiveCommand, liveCommand } from './live-command.js'
import { RfbClient } from './rfb-client.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-view-'))
const floppy = join(folder, 'echo.img')
writeFileSync(floppy, programFloppy('echo'))
const display = 100 + (process.pid % 1000)
const port = 5900 + display

describe.skipIf(noFirmware)(`run --ui --vnc${firmwareNote}`, () => {
  let view: LiveCommand

  beforeAll(async () => {
    view = await liveCommand(['run', floppy, '--engine', 'soft', '--ui', '--vnc', `:${display}`, '--serial', 'stdio'])
  })

  test('is on loopback, behind a token, for its own pages', async () => {
    const { origin, host } = new URL(view.url)
    expect(origin).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    const path = new URL(view.url).pathname
    expect(await status(view.url)).toBe(200)
    expect(await status(`${view.url}novnc/core/rfb.js`)).toBe(200)
    expect(await status(origin)).toBe(403)
    expect(await status(`${origin}/${'x'.repeat(path.length - 2)}/`)).toBe(403)
    // A name of somebody's DNS that leads to this host.
    expect(await status(view.url, { host: host.replace('127.0.0.1', 'rebound.example') })).toBe(403)
    expect(await status(view.url, { origin: 'http://evil.example' })).toBe(403)
    for (const outside of ['novnc/core/../package.json', 'novnc/package.json', 'novnc/core/%2e%2e/package.json'])
      expect(await status(`${view.url}${outside}`)).toBe(404)
    const socket = `${origin.replace('http', 'ws')}/control`
    expect(await refusal(socket)).toContain('403')
    expect(await refusal(`${view.url.replace('http', 'ws')}rfb`, 'http://evil.example')).toContain('403')
  })

  test('words that no page of ours says do no harm', async () => {
    const socket = new WebSocket(`${view.url.replace('http', 'ws')}control`)
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    for (const words of ['{', 'null', '[]', '{"kind":"press","keys":["NoKey"]}', '{"kind":"mouse","dx":"a","dy":1e99}'])
      socket.send(words)
    const state = await new Promise<string>((resolve) => socket.on('message', (data) => resolve(data.toString())))
    expect(JSON.parse(state)).toMatchObject({ kind: expect.stringMatching(/^(state|serial)$/) })
    socket.terminate()
    expect(await status(view.url)).toBe(200)
  })

  test('a VNC viewer types, and the guest hears it', async () => {
    const { client, socket } = await RfbClient.tcp(port)
    await client.open({ encodings: [16, -223] })
    await client.update()
    expect(client.pixels).toHaveLength(client.width * client.height)
    await until(() => view.output().includes('>'))
    for (const letter of 'vnc') for (const down of [true, false]) client.key(letter.charCodeAt(0), down)
    await until(() => view.output().includes('>vnc'))
    socket.destroy()
  })

  describe.skipIf(!executablePath)('the page in Chromium', () => {
    let browser: Browser
    let page: Page
    const errors: string[] = []

    beforeAll(async () => {
      browser = await launchChromium()
      page = await browser.newPage({ viewport: { width: 390, height: 800 } })
      page.on('pageerror', (error) => errors.push(error.message))
      page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
      await page.goto(view.url)
      await page.waitForSelector('body[data-connected=yes]')
    })

    afterAll(async () => {
      await browser?.close()
    })

    test("shows the guest's screen and types into it", async () => {
      await page.locator('#screen canvas').focus()
      for (const key of ['Shift+H', 'i', 'Shift+1']) await page.keyboard.press(key)
      await until(() => view.output().includes('Hi!'))
      await page.click('#serial-button')
      await until(async () => (await page.textContent('#serial-text'))?.includes('Hi!') ?? false)
      expect(await page.textContent('#state')).toMatch(/^guest time \d\d:\d\d:\d\d/)
    })

    test('needs no scrolling sideways on a telephone, and no error shows', async () => {
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390)
      const canvas = await page.locator('#screen canvas').boundingBox()
      expect(canvas?.width).toBeGreaterThan(300)
      expect(errors).toEqual([])
    })

    test('Ctrl+C ends it all, and the page says so', async () => {
      view.interrupt()
      expect(await view.ended).toBe(130)
      await until(async () => (await page.textContent('#state')) === 'the run has ended')
      await expect(fetch(view.url)).rejects.toThrow()
      await expect(RfbClient.tcp(port)).rejects.toThrow('ECONNREFUSED')
    })
  })

  afterAll(async () => {
    view?.interrupt()
    await view?.ended
  })
})

test.each([
  [['--ui', '--json'], '--json is for programs, and --ui for people; leave one out'],
  [['--vnc', '0.0.0.0:1'], '--vnc 0.0.0.0:1 can be reached from other hosts and needs a password'],
  [['--vnc', ':1,password=/none'], "--vnc: the password's file '/none' cannot be read (ENOENT); name one that can"],
])('run %j is refused in one sentence', async (args, sentence) => {
  const { code, stderr } = await bootwright(['run', floppy, ...args], { env: { BOOTWRIGHT_VNC_PASSWORD: undefined } })
  expect(code).toBe(2)
  expect(stderr).toContain(`bootwright: ${sentence}`)
  expect(stderr.trim().split('\n')).toHaveLength(1)
})

function status(url: string, headers: { [name: string]: string } = {}): Promise<number> {
  const { hostname, port: at } = new URL(url)
  // By hand: fetch sets the host itself, and URLs are made tidy.
  const slash = url.indexOf('/', 'http://'.length)
  const path = slash < 0 ? '/' : url.slice(slash)
  return new Promise((resolve, reject) => {
    httpRequest({ hostname, port: at, path, headers }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
      .on('error', reject)
      .end()
  })
}

function refusal(url: string, origin?: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, { origin })
    socket.on('open', () => resolve('open')).on('error', (error) => resolve(error.message))
  })
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  await expect.poll(isSo, { timeout: 30_000 }).toBe(true)
}
