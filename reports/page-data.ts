/**
 * What a page carries for its script: files are in the page once, as base64 in script elements that the browser does not
 * run, and become pictures only when they are looked at: so a large report opens at once.
 */
import { type Html, html, raw } from './html.js'

export class EmbeddedFiles {
  private readonly ids = new Map<string, string>()

  /** An id for `file()` of the page's script; the same bytes are kept once. */
  add(data: string, type: string): string {
    const key = `${type} ${data}`
    let id = this.ids.get(key)
    if (id === undefined) {
      id = `file-${this.ids.size}`
      this.ids.set(key, id)
    }
    return id
  }

  render(): Html[] {
    return [...this.ids].map(([key, id]) => {
      const space = key.indexOf(' ')
      return html`<script type="application/base64" id="${id}" data-type="${key.slice(0, space)}">${raw(key.slice(space + 1))}</script>
`
    })
  }
}

/** JSON that cannot end the script element that it is in. */
export function scriptJson(value: unknown): Html {
  return raw(
    JSON.stringify(value)
      .replace(/</g, '\\u003c')
      .replace(/\u2028/g, '\\u2028')
      .replace(/\u2029/g, '\\u2029'),
  )
}
