/** An option's value cannot be; one sentence that begins with the option as it was given: `--smp`, `smp`, `machine.cpus`. */
export class OptionError extends Error {
  override readonly name = 'OptionError'
}
