/** Answers for Debian's installer (Debian's installation guide, appendix B), for the repository that the LAN serves. */

export interface PreseedOptions {
  /** Where the repository is: of the LAN's HTTP server. */
  mirror?: { host: string; folder: string }
  suite: string
  /** The kernel that is installed. */
  kernel: string
  /** Into the base system, which is debootstrap's smallest. */
  includes: readonly string[]
  /** Added to the installed kernel's command line. */
  append: string
  rootPassword: string
}

/** The installer's log goes to COM1 from here on: tests read it there. */
const LOG = 'tail -n +1 -f /var/log/syslog >/dev/ttyS0 &'

export function preseed({ suite, kernel, includes, append, rootPassword, mirror = LAN }: PreseedOptions): string {
  const answers = [
    'debian-installer/locale string C.UTF-8',
    'debian-installer/language string C',
    'debian-installer/country string US',
    'keyboard-configuration/xkb-keymap select us',
    'netcfg/choose_interface select auto',
    'netcfg/get_hostname string debian',
    'netcfg/get_domain string lan',
    'hw-detect/firmware-lookup string never',
    'mirror/protocol string http',
    'mirror/country string manual',
    `mirror/http/hostname string ${mirror.host}`,
    `mirror/http/directory string ${mirror.folder}`,
    'mirror/http/proxy string',
    `mirror/suite string ${suite}`,
    'debian-installer/allow_unauthenticated boolean true',
    'clock-setup/utc boolean true',
    'time/zone string Etc/UTC',
    `passwd/root-password password ${rootPassword}`,
    'passwd/make-user boolean false',
    'base-installer/debootstrap_variant string minbase',
    `base-installer/includes string ${includes.join(' ')}`,
    'base-installer/install-recommends boolean false',
    'base-installer/initramfs-tools/driver-policy select dep',
    `base-installer/kernel/image string linux-image-${kernel}`,
    `debian-installer/add-kernel-opts string ${append}`,
    `preseed/early_command string ${LOG}`,
  ]
  return answers.map((answer) => `d-i ${answer}\n`).join('')
}

const LAN = { host: '10.0.2.2', folder: '/debian' }
