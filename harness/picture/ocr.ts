import { HostError } from '../../machine/errors.js'

/** Text recognition by tesseract.js, which users may install for screens that no font here can read. */

/** What is used of the package. */
interface Tesseract {
  recognize(image: Uint8Array, language: string): Promise<{ data: { text: string } }>
}

/** The package is not installed; the message says how to. */
export class OcrMissingError extends HostError {
  override readonly name = 'OcrMissingError'
}

type Load = () => Promise<unknown>

const installed: Load = () => import('tesseract.js' as string)

/**
 * The text in a picture, as far as it is recognized: unlike glyphs, never to be relied on to the letter.
 * @param png A PNG file's bytes.
 * @throws OcrMissingError
 */
export async function recognizeText(png: Uint8Array, language = 'eng', load: Load = installed): Promise<string> {
  let module: Partial<Tesseract> & { default?: Tesseract }
  try {
    module = (await load()) as typeof module
  } catch {
    throw new OcrMissingError("recognizing text needs the package tesseract.js; run 'npm install tesseract.js'")
  }
  const tesseract = (module.recognize ? module : module.default) as Tesseract
  const { data } = await tesseract.recognize(png, language)
  return data.text.trimEnd()
}
