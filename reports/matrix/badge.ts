/** A badge as SVG: a label and a message, without fonts or anything else from elsewhere. */
import { html } from '../html.js'
import { countTests, type TestResult } from '../run-result.js'

export interface Badge {
  label: string
  message: string
  colour: string
}

export const COLOURS = { good: '#137a3b', fair: '#8a6100', bad: '#b92a1f', none: '#666e7a' }

export function runBadge(tests: readonly Pick<TestResult, 'status'>[]): Badge {
  const { passed, failed, flaky } = countTests(tests)
  const label = 'guest tests'
  if (failed > 0) return { label, message: `${failed} of ${passed + flaky + failed} failed`, colour: COLOURS.bad }
  if (passed + flaky === 0) return { label, message: 'none', colour: COLOURS.none }
  if (flaky > 0) return { label, message: `${passed + flaky} passed, ${flaky} flaky`, colour: COLOURS.fair }
  return { label, message: `${passed} passed`, colour: COLOURS.good }
}

const HEIGHT = 20
const PADDING = 6

export function renderBadge({ label, message, colour }: Badge): string {
  const [left, right] = [textWidth(label) + 2 * PADDING, textWidth(message) + 2 * PADDING]
  const width = left + right
  const text = (content: string, x: number, length: number) =>
    html`<text x="${x}" y="14" textLength="${length}">${content}</text>`
  return `${
    html`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${HEIGHT}" role="img" aria-label="${label}: ${message}"><title>${label}: ${message}</title><clipPath id="r"><rect width="${width}" height="${HEIGHT}" rx="3"/></clipPath><g clip-path="url(#r)"><rect width="${left}" height="${HEIGHT}" fill="#3d444f"/><rect x="${left}" width="${right}" height="${HEIGHT}" fill="${colour}"/></g><g fill="#fff" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11">${text(label, PADDING, left - 2 * PADDING)}${text(message, left + PADDING, right - 2 * PADDING)}</g></svg>`
      .text
  }\n`
}

/** Pixels at 11 px, near enough: `textLength` stretches the text to it. */
function textWidth(text: string): number {
  return Math.ceil(
    [...text].reduce(
      (sum, letter) => sum + (/[ijl.,:'!| ]/.test(letter) ? 3.8 : /[mwMW%]/.test(letter) ? 9.5 : 6.8),
      0,
    ),
  )
}
