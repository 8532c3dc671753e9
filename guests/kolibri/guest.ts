import { defineGuest, graphics, image, picture, text } from 'bootwright'
import { firmware } from '../levels.js'

const [width, height] = [800, 600]

// The pixels are QEMU 7.2's; the clock and the load meter at the lower right are left out.
export default defineGuest({
  name: 'kolibri',
  title: 'KolibriOS 0.7.7',
  family: 'hobby',
  licence: 'GPL-2.0-only',
  machine: { memory: 128, floppies: [image('kolibri.img')] },
  levels: [
    firmware,
    { name: 'loader', title: 'the start screen', until: text(/Kolibri OS +version 0\.7\.7/) },
    { name: 'kernel', title: 'the graphics mode', keys: '<enter>', until: graphics(width, height) },
    {
      name: 'desktop',
      title: 'icons and task bar, as in QEMU to the pixel',
      until: picture({
        title: "KolibriOS's desktop",
        width,
        height,
        areas: [
          {
            x: 0,
            y: 0,
            width: 190,
            height: 200,
            sha256: '5bfeb019d665446f3f2b15f9d6f479f4db01932eca081dee3fe7f7d498a9ad28',
          },
          {
            x: 610,
            y: 0,
            width: 190,
            height: 200,
            sha256: '6f1d69cf493425036ac087cf874064490a3b6081f6a4baea46b4e65f4302c88e',
          },
          {
            x: 4,
            y: 576,
            width: 41,
            height: 21,
            sha256: '175e595cbb602f949ac9fe4cce0b6dfa77fac95be9f2b1d34cd0c0b45dc2232a',
          },
        ],
      }),
    },
    {
      name: 'mouse',
      title: 'a click opens the menu',
      // To the lower left corner, then to the button in small steps, which KolibriOS does not accelerate.
      keys: `<wait2><mouse -1000,1000><wait>${'<mouse 5,-3><wait200ms>'.repeat(4)}<click left>`,
      until: picture({
        title: "KolibriOS's menu",
        width,
        height,
        areas: [
          {
            x: 5,
            y: 286,
            width: 140,
            height: 214,
            sha256: 'e435695eed35a359e0adb8603369ecb416cae2a3add5d5910af9b5da75342041',
          },
        ],
      }),
      timeout: '1m',
    },
  ],
})
