import sharp from 'sharp'
import { expect, test } from 'vitest'
import { encodeVideo } from '../../../harness/picture/video.js'
import { screen } from '../needles/screens.js'

test('a video has every frame for its time, to the pixel, smaller ones in the corner', async () => {
  const [large, small] = [screen(64, 40, (x) => x), screen(32, 20, () => 200)]
  const webp = await encodeVideo([
    { frame: large, ms: 100 },
    { frame: { width: 0, height: 0, data: new Uint8Array() }, ms: 50 },
    { frame: small, ms: 60_000 },
  ])
  const video = sharp(webp, { animated: true })
  expect(await video.metadata()).toMatchObject({
    format: 'webp',
    pages: 2,
    pageHeight: 40,
    delay: [100, 2000],
    loop: 0,
  })
  const { data, info } = await video.removeAlpha().raw().toBuffer({ resolveWithObject: true })
  expect([info.width, info.height]).toEqual([64, 80])
  const at = (x: number, y: number) => data[(y * 64 + x) * 3]
  expect([at(5, 3), at(63, 39), at(5, 43), at(40, 43), at(5, 70)]).toEqual([5, 63, 200, 0, 0])
})

test('there is no video of nothing', async () => {
  await expect(encodeVideo([])).rejects.toThrow('no picture')
})
