/** What functions of a test's answer for the LAN's HTTP server: what cannot be sent fails the test, with a sentence. */
import { expect, test } from 'vitest'
import type { HttpFunction } from '../../../../harness/options/network-words.js'
import { answerBy } from '../../../../harness/vm/network/network.js'

const asked = (answer: unknown) => {
  const question = { number: 1, method: 'GET', path: '/x?y', headers: {}, body: new Uint8Array() }
  return answerBy({ '/x': (async () => answer) as HttpFunction }, '/x', question)
}

test.each<[unknown, number, string]>([
  ['text', 200, 'text'],
  [Buffer.from('bytes'), 200, 'bytes'],
  [{ status: 404 }, 404, ''],
  [{ headers: { 'X-A': 5 }, body: 'b' }, 200, 'b'],
])('%j is sent', async (answer, status, body) => {
  const { answer: sent, error } = await asked(answer)
  expect(error).toBeUndefined()
  expect({ status: sent.status, body: Buffer.from(sent.body).toString() }).toEqual({ status, body })
})

test.each<[string, unknown, string]>([
  ['nothing', undefined, 'it answered undefined; a text, bytes or { status, headers, body } is wanted'],
  ['a number', 5, 'it answered 5; a text, bytes or { status, headers, body } is wanted'],
  ['another word', { text: 'a' }, "it answered with 'text', which is nothing of an answer"],
  ['no status', { status: 99 }, 'it answered with status 99; give one from 200 to 599'],
  ['a word for a status', { status: 'OK' }, 'it answered with status OK; give one from 200 to 599'],
  ['an object for a body', { body: {} }, 'it answered with a body that is object; give a text or bytes'],
  ['too much', 'x'.repeat((16 << 20) + 1), 'its answer is larger than 16 MiB; serve a file in its place'],
  ['two lines of a header', { headers: { a: 'b\r\nc: d' } }, 'it answered with the header "a: b\\r\\nc: d"'],
])('%s is not, and the test hears why', async (_, answer, sentence) => {
  const { answer: sent, error } = await asked(answer)
  expect(sent.status).toBe(500)
  expect(error).toMatch(/^the function of '\/x' failed at GET \/x\?y: /)
  expect(error).toContain(sentence)
})
