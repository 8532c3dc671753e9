/** Answer files on media of their own, beside the user's medium that the installer is on. */
import { built, type GuestMedium } from 'bootwright'
import { answerFloppy, answerIso } from '../fixtures/answer-media.js'
import type { Answers } from '../fixtures/answers.js'

/** Of root, or whoever logs in first. */
export const PASSWORD = 'bootwright'
/** The same by `openssl passwd -6 -salt bootwright`. */
export const PASSWORD_HASH =
  '$6$bootwright$nuDuuh.Yxt0gRW0fgGTgyimVDkeZN789Bo92xHpHzj0yFk0xi.uNXAco.nMrcXjSrW.vpPWflQzITKco0tcMr/'

/** For Unix, which finds a file system by its label on a disk as well as on a CD. */
export function answerDisk(guest: string, answers: Answers): GuestMedium & { if: 'virtio' | 'ide' } {
  return { ...built(`${guest}-answers.iso`, [], () => answerIso(answers)), if: 'virtio' }
}

/** For Windows, which looks on the first floppy. */
export function answerDiskette(guest: string, answers: Answers): GuestMedium {
  return built(`${guest}-answers.img`, [], () => answerFloppy(answers))
}
