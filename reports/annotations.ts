/** Failures as GitHub's workflow commands, which it shows beside the line in a pull request. */
import { fullTitle, type RunResult, type TestResult } from './run-result.js'

/** Of a message, since the whole evidence is in the report. */
const LINES = 30

/** @param root The project's folder, which stacks name. */
export function annotations({ tests, errors }: RunResult, root: string): string {
  const failed = tests.filter(({ status }) => status === 'failed')
  const lines = failed.flatMap((test) => test.errors.slice(0, 1).map((error) => annotation(test, error, root)))
  const outside = errors.map(({ message }) => `::error title=outside any test::${data(message)}`)
  return [...lines, ...outside].map((line) => `${line}\n`).join('')
}

function annotation(test: TestResult, { message, stack = '' }: TestResult['errors'][number], root: string): string {
  const place = placeIn(test.file, stack.slice(stack.indexOf(message) + message.length), root)
  const line = place?.line ?? test.line
  const at = [
    `file=${property(test.file)}`,
    ...(line ? [`line=${line}`] : []),
    ...(place ? [`col=${place.column}`] : []),
  ]
  return `::error ${at.join(',')},title=${property(fullTitle(test))}::${data(message.split('\n').slice(0, LINES).join('\n'))}`
}

/** The first frame of the test's own file. */
function placeIn(file: string, stack: string, root: string): { line: number; column: number } | undefined {
  for (const path of [`${root.replaceAll('\\', '/')}/${file}`, file]) {
    const at = stack.indexOf(`${path}:`)
    const found = at < 0 ? undefined : /^:(\d+):(\d+)/.exec(stack.slice(at + path.length))
    if (found) return { line: Number(found[1]), column: Number(found[2]) }
  }
  return undefined
}

/** As GitHub's own toolkit escapes them. */
function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}
