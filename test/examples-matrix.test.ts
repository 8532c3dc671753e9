/** The examples of the matrix on other machines, which no test can run: their form, and that the commands in them are ones. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { inProcess } from './harness/cli/in-process.js'

const folder = fileURLToPath(new URL('../examples/matrix', import.meta.url))
const read = (name: string) => readFileSync(join(folder, name), 'utf8')
const hasVerifier = spawnSync('systemd-analyze', ['--version']).status === 0

/** `matrix --merge --out`: a verb and its options, as often as there are any in the files. */
function commands(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const text of readdirSync(folder).map(read))
    for (const [, verb, rest] of text.matchAll(/\bbootwright ([a-z][\w-]*)([^\n;|&"]*)/g)) {
      const options = found.get(verb) ?? new Set()
      for (const [option] of rest.matchAll(/--[a-z-]+/g)) options.add(option)
      found.set(verb, options)
    }
  return found
}

test('each command in them is one, with the options that it has', async () => {
  const found = commands()
  expect([...found.keys()].sort()).toEqual(['matrix', 'setup', 'worker'])
  for (const [verb, options] of found) {
    const { stdout } = await inProcess([verb, '--help'])
    for (const option of options) expect(stdout, `bootwright ${verb} ${option}`).toContain(`${option} `)
  }
})

test('the workflows are YAML with steps that have a command or an action each', () => {
  const { jobs } = parse(read('github-actions.yml')) as { jobs: { [name: string]: { steps: object[] } } }
  expect(Object.keys(jobs)).toEqual(['measure', 'publish'])
  for (const { steps } of Object.values(jobs))
    for (const step of steps) expect('run' in step || 'uses' in step).toBe(true)
  const gitlab = parse(read('gitlab-ci.yml')) as { stages: string[]; [job: string]: unknown }
  for (const name of ['measure', 'pages']) {
    const { stage, script } = gitlab[name] as { stage: string; script: unknown[] }
    expect(gitlab.stages).toContain(stage)
    expect(script.every((line) => typeof line === 'string')).toBe(true)
  }
})

test('the workers of compose.yaml find its queue, which is no one else’s', () => {
  const { services, volumes } = parse(read('compose.yaml')) as {
    services: { [name: string]: { [key: string]: unknown } }
    volumes: object
  }
  const { queue, worker } = services
  const address = new URL((worker.environment as { BOOTWRIGHT_QUEUE: string }).BOOTWRIGHT_QUEUE)
  expect(Object.keys(services)).toContain(address.hostname)
  expect(Object.keys(worker.depends_on as object)).toEqual([address.hostname])
  expect(queue.ports).toEqual([`127.0.0.1:${address.port}:${address.port}`])
  expect((queue.volumes as string[]).map((volume) => volume.split(':')[0])).toEqual(Object.keys(volumes))
})

test.skipIf(!hasVerifier)('systemd takes the unit', () => {
  const place = mkdtempSync(join(tmpdir(), 'unit-'))
  try {
    // Neither the project nor the account is here.
    const unit = read('bootwright-worker.service')
      .replace(/^ExecStart=\S+/m, 'ExecStart=/bin/true')
      .replace(/^User=.*/m, 'User=root')
    writeFileSync(join(place, 'bootwright-worker.service'), unit)
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', join(place, 'bootwright-worker.service')])
    // What it does not know it tells, and goes on.
    expect([status, String(stderr)]).toEqual([0, ''])
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
})
