import { defineGuest, image, text } from 'bootwright'
import { answerHttp } from '../../fixtures/answer-media.js'
import { answers } from '../../fixtures/answers.js'
import { PASSWORD } from '../answers.js'
import { firmware, installed, login } from '../levels.js'

const installConf = `# Each question by a part of its words; what is not here has its default.
System hostname = guest
Password for root account = {{ password }}
Network interface to configure = em0
IPv4 address for em0 = autoconf
Allow root ssh login = yes
What timezone are you in = UTC
Which disk is the root disk = wd0
Use (W)hole disk MBR = whole
Use (A)uto layout = a
Location of sets = cd0
Set name(s) = -comp* -game* -x*
Continue without verification = yes
`

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'openbsd',
  title: 'OpenBSD of today, installs itself by an install.conf',
  family: 'BSD',
  licence: 'BSD-3-Clause',
  machine: {
    memory: 512,
    boot: 'order=cd',
    nic: 'e1000',
    cdrom: image('install*.iso', { maker: 'OpenBSD’s installNN.iso for amd64, which has its sets' }),
    disks: [{ size: '8G', if: 'ide' }],
    network: { http: answerHttp(answers('openbsd', installConf, { password: PASSWORD })) },
  },
  levels: [
    firmware,
    { name: 'loader', title: 'the prompt boot>', until: text(/^boot>/m) },
    { name: 'installer', title: 'its first question', until: text(/\(I\)nstall, \(U\)pgrade/), timeout: '30m' },
    installed(
      '2h',
      "a<enter><wait 'Response file location'>http://10.0.2.2/install.conf<enter><wait '\\(I\\)nstall or \\(U\\)pgrade'>i<enter>",
    ),
    login,
  ],
  hostTimeout: '4h',
  heavy: 'installs a whole system',
})
