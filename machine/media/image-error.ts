/** An image that is none of its format, or of a kind that is not read here; the sentence goes on behind the file's name. */
export class ImageError extends Error {
  override readonly name = 'ImageError'
}
