/** The pages' own scripts and styles: files of `pages/`, which the build copies beside the compiled code. */
import { readFileSync } from 'node:fs'
import { Terminal } from './terminal.js'

/** One after the other, as one text. */
function pageFiles(...names: string[]): string {
  return names.map((name) => readFileSync(new URL(`pages/${name}`, import.meta.url), 'utf8')).join('')
}

/** Some compilers wrap the names of functions in this. */
const KEEP_NAMES = 'const __name = (value) => value'

/** On top of what all pages share. */
export function pageScript(...names: string[]): string {
  return `${KEEP_NAMES}\nconst Terminal = ${Terminal.toString()}\n${pageFiles('page.js', ...names)}`
}

/** By itself, for a page that needs nothing of the others'. */
export function plainScript(name: string): string {
  return pageFiles(name)
}

/** On top of what all pages share. */
export function pageStyle(...names: string[]): string {
  return pageFiles('page.css', ...names)
}
